#include "core/ops/plan_fields.h"

#include <charconv>
#include <cmath>
#include <limits>

namespace sentinode::ops {
namespace {

bool ParseInteger(std::string_view text, int64_t* value) {
  const char* end = text.data() + text.size();
  auto [position, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && position == end && !text.empty();
}

}  // namespace

PlanFields::PlanFields(int line_number, std::string_view line) : line_number_(line_number) {
  size_t start = 0;
  bool first = true;
  while (start <= line.size()) {
    const size_t end = std::min(line.find(' ', start), line.size());
    const std::string_view token = line.substr(start, end - start);
    start = end + 1;
    if (first) {
      word_ = token;
      first = false;
      continue;
    }
    const size_t equals = token.find('=');
    if (equals == std::string_view::npos || equals == 0 || equals + 1 == token.size()) {
      Fail("expected key=value after '" + std::string(word_.substr(0, 32)) + "'");
      return;
    }
    const std::string_view key = token.substr(0, equals);
    if (Has(key)) {
      Fail("'" + std::string(key.substr(0, 32)) + "' is there twice");
      return;
    }
    fields_.push_back({key, token.substr(equals + 1), false});
  }
}

bool PlanFields::Has(std::string_view key) const {
  for (const Field& field : fields_) {
    if (field.key == key) return true;
  }
  return false;
}

std::string_view PlanFields::Take(std::string_view key) {
  for (Field& field : fields_) {
    if (field.key == key) {
      field.read = true;
      return field.value;
    }
  }
  Fail("'" + std::string(key) + "' is missing");
  return {};
}

std::string_view PlanFields::Word(std::string_view key) { return Take(key); }

int64_t PlanFields::Integer(std::string_view key, int64_t lowest, int64_t highest) {
  const std::vector<int64_t> values = Integers(key, 1, lowest, highest);
  return values[0];
}

std::vector<int64_t> PlanFields::Integers(std::string_view key, size_t count, int64_t lowest,
                                          int64_t highest) {
  const std::string_view text = Take(key);
  std::vector<int64_t> values;
  for (size_t start = 0; ok() && start <= text.size();) {
    const size_t end = std::min(text.find(',', start), text.size());
    int64_t value = 0;
    if (!ParseInteger(text.substr(start, end - start), &value) || value < lowest ||
        value > highest) {
      Fail("'" + std::string(key) + "' needs integers from " + std::to_string(lowest) + " to " +
           std::to_string(highest));
      break;
    }
    values.push_back(value);
    start = end + 1;
  }
  if (ok() && count != 0 && values.size() != count) {
    Fail("'" + std::string(key) + "' needs " + std::to_string(count) + " numbers, found " +
         std::to_string(values.size()));
  }
  if (!ok()) values.assign(count == 0 ? 1 : count, 0);
  return values;
}

float PlanFields::Number(std::string_view key, bool allow_infinite) {
  const std::string_view text = Take(key);
  if (!ok()) return 0;
  double value = 0;
  const char* end = text.data() + text.size();
  auto [position, error] = std::from_chars(text.data(), end, value);
  const bool parsed = error == std::errc() && position == end;
  if (parsed && allow_infinite && std::isinf(value)) return static_cast<float>(value);
  if (!parsed || !std::isfinite(value) || std::abs(value) > std::numeric_limits<float>::max()) {
    Fail("'" + std::string(key) + "' needs a decimal number");
    return 0;
  }
  return static_cast<float>(value);
}

void PlanFields::Fail(const std::string& message) {
  if (fault_.empty()) fault_ = message;
}

Status PlanFields::Finish() const {
  std::string fault = fault_;
  for (const Field& field : fields_) {
    if (fault.empty() && !field.read) {
      fault = "unknown key '" + std::string(field.key.substr(0, 32)) + "' for '" +
              std::string(word_.substr(0, 32)) + "'";
    }
  }
  if (fault.empty()) return Status::Ok();
  return Status("MODEL_INVALID",
                "plan of a 4D region, line " + std::to_string(line_number_) + ": " + fault);
}

}  // namespace sentinode::ops
