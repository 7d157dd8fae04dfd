#include "core/ops/tuning.h"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <limits>
#include <sstream>
#include <utility>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "core/base/build_id.h"
#include "core/base/draft_file.h"
#include "core/base/hash.h"
#include "core/ops/onednn.h"
#include "core/ops/simd.h"
#include "core/ops/toom_cook.h"

namespace sentinode::ops {
namespace {

constexpr const char* kHeader = "sentinode-tuning 1";

double Distance(const Volume& a, const Volume& b) {
  const auto part = [](int64_t x, int64_t y) {
    return std::abs(std::log2(static_cast<double>(x) / static_cast<double>(y)));
  };
  // The number of frames decides how they divide into tiles, so it counts for more.
  return 4 * part(a.t, b.t) + part(a.d, b.d) + part(a.h, b.h) + part(a.w, b.w);
}

std::string ProcessorName() {
#if defined(__x86_64__)
  unsigned words[12] = {};
  for (unsigned i = 0; i < 3; ++i) {
    __get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2],
                &words[4 * i + 3]);
  }
  return std::string(reinterpret_cast<const char*>(words), sizeof words);
#else
  return "";
#endif
}

void Write(std::ostream& out, const ConvChoice& choice) {
  out << static_cast<int>(choice.kind) << ' ' << choice.frames << ' ' << choice.planes << ' '
      << static_cast<int>(choice.products);
}

bool Read(std::istream& in, ConvChoice& choice) {
  int kind = 0;
  int products = 0;
  if (!(in >> kind >> choice.frames >> choice.planes >> products)) return false;
  choice.kind = static_cast<ConvKind>(kind);
  choice.products = static_cast<Element>(products);
  return kind >= 0 && kind <= static_cast<int>(ConvKind::kDepthwise) && choice.frames >= 1 &&
         choice.frames <= kMaxTileOutputs && choice.planes >= 1 &&
         choice.planes <= kMaxTileOutputs && (products == 0 || products == 1);
}

}  // namespace

const TuningEntry* TuningTable::Nearest(int step, const Volume& in) const {
  const TuningEntry* nearest = nullptr;
  double least = std::numeric_limits<double>::infinity();
  for (const TuningEntry& entry : entries_) {
    const double distance = Distance(entry.in, in);
    if (entry.step == step && distance < least) {
      nearest = &entry;
      least = distance;
    }
  }
  return nearest;
}

bool TuningTable::Has(int step, const Volume& in) const {
  const TuningEntry* nearest = Nearest(step, in);
  return nearest != nullptr && nearest->in == in;
}

void TuningTable::Add(TuningEntry entry) { entries_.push_back(std::move(entry)); }

std::string TuningTable::Serialize() const {
  std::ostringstream out;
  out << kHeader << '\n';
  for (const TuningEntry& entry : entries_) {
    const Volume& v = entry.in;
    out << "layer " << entry.step << ' ' << v.c << ' ' << v.t << ' ' << v.d << ' ' << v.h << ' '
        << v.w << ' ';
    Write(out, entry.choice);
    out << '\n';
    for (const Measurement& m : entry.measured) {
      out << "form ";
      Write(out, m.choice);
      out << ' ' << m.milliseconds << ' ' << m.error << '\n';
    }
  }
  out << "end\n";
  return out.str();
}

TuningTable TuningTable::Parse(const std::string& text) {
  std::istringstream in(text);
  std::string word;
  if (!std::getline(in, word) || word != kHeader) return {};
  TuningTable table;
  while (in >> word) {
    if (word == "end") return table;
    if (word == "layer") {
      TuningEntry entry;
      Volume& v = entry.in;
      if (!(in >> entry.step >> v.c >> v.t >> v.d >> v.h >> v.w) || !Read(in, entry.choice)) break;
      if (v.t < 1 || v.d < 1 || v.h < 1 || v.w < 1) break;
      table.Add(std::move(entry));
    } else if (word == "form" && !table.entries_.empty()) {
      Measurement m;
      if (!Read(in, m.choice) || !(in >> m.milliseconds >> m.error)) break;
      table.entries_.back().measured.push_back(m);
    } else {
      break;
    }
  }
  return {};
}

std::string TuningFileName(const std::string& plan_text, int threads) {
  const std::string what = plan_text + '\n' + ProcessorName() + '\n' + GetKernels().name + '\n' +
                           OneDnnVersion() + '\n' + BuildId() + '\n' + std::to_string(threads);
  char name[32];
  std::snprintf(name, sizeof name, "%016llx.tuning",
                static_cast<unsigned long long>(Hash(what.data(), what.size())));
  return name;
}

TuningTable LoadTuning(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return TuningTable::Parse(text.str());
}

void SaveTuning(const std::string& path, const TuningTable& table) {
  const std::string text = table.Serialize();
  DraftFile draft(path);
  if (draft.descriptor() >= 0 && draft.Write(text.data(), text.size())) draft.Publish();
}

}  // namespace sentinode::ops
