// Which form each convolution takes, as measured, kept from run to run.
#pragma once

#include <string>
#include <vector>

#include "core/ops/conv.h"
#include "core/ops/geometry.h"

namespace sentinode::ops {

struct Measurement {
  ConvChoice choice;
  double milliseconds = 0;
  double error = 0;  // against the direct form in float32, as a share of the output's largest value
};

struct TuningEntry {
  int step = 0;
  Volume in;
  ConvChoice choice;
  std::vector<Measurement> measured;  // every form that was tried
};

class TuningTable {
 public:
  // What was measured nearest to this size for this step; null where nothing was.
  const TuningEntry* Nearest(int step, const Volume& in) const;
  bool Has(int step, const Volume& in) const;
  void Add(TuningEntry entry);
  const std::vector<TuningEntry>& entries() const { return entries_; }

  // Text, a line per entry and measurement. Parse gives an empty table for anything else, so that a
  // damaged file means to measure again.
  std::string Serialize() const;
  static TuningTable Parse(const std::string& text);

 private:
  std::vector<TuningEntry> entries_;
};

// Where the choices of a plan are kept on this machine: in the model's folder, named after all that
// they depend on.
std::string TuningFileName(const std::string& plan_text, int threads);
TuningTable LoadTuning(const std::string& path);
// A file that cannot be written (a read-only folder) is not an error: the next start measures
// again.
void SaveTuning(const std::string& path, const TuningTable& table);

}  // namespace sentinode::ops
