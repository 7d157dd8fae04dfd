// One line of a plan, "word key=value key=value", taken apart key by key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/status.h"

namespace sentinode::ops {

// The first fault stays and later calls return zeros, so that a caller reads all its keys and then
// asks once for Finish(). Views point into the line that was given.
class PlanFields {
 public:
  PlanFields(int line_number, std::string_view line);

  std::string_view word() const { return word_; }
  bool Has(std::string_view key) const;

  std::string_view Word(std::string_view key);
  int64_t Integer(std::string_view key, int64_t lowest, int64_t highest);
  // `count` integers, or any number from 1 on where it is 0.
  std::vector<int64_t> Integers(std::string_view key, size_t count, int64_t lowest,
                                int64_t highest);
  // A decimal number; infinities only where allowed, never NaN.
  float Number(std::string_view key, bool allow_infinite = false);
  bool Flag(std::string_view key) { return Integer(key, 0, 1) == 1; }

  // Records a fault that the caller found.
  void Fail(const std::string& message);
  bool ok() const { return fault_.empty(); }
  // The first fault, or a key that nobody read.
  Status Finish() const;

 private:
  struct Field {
    std::string_view key;
    std::string_view value;
    bool read = false;
  };

  std::string_view Take(std::string_view key);

  int line_number_;
  std::string_view word_;
  std::vector<Field> fields_;
  std::string fault_;
};

}  // namespace sentinode::ops
