// SPDX-License-Identifier: LGPL-2.1-or-later
// A row of a benchmark: what was measured against which baseline, and whether the budget was met.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace streamlib::bench {

enum class Better { kHigher, kLower };

// A limit on a ratio (or on an absolute figure of the subject where there is no baseline).
struct Limit {
  Better better = Better::kHigher;
  double value = 0;
  bool holds(double figure) const
  {
    return better == Better::kHigher ? figure >= value : figure <= value;
  }
  std::string text() const;
};

struct RowSpec {
  std::string id;
  std::string what;
  // Launch syntax of what is measured and of what it is measured against.
  std::string subject;
  std::string baseline;
  std::string unit;
  // Absent: the row informs, and has no verdict.
  bool has_budget = true;
  // The budget is on the subject's own figure; the baseline is there to compare.
  bool absolute = false;
  Limit budget;
  bool has_goal = false;
  Limit goal;
};

// One interleaved pair: the subject's figure and the baseline's, one right after the other.
struct Pair {
  double subject = 0;
  double baseline = 0;
};

struct Row {
  RowSpec spec;
  std::vector<Pair> pairs;
  int attempts = 1;
  double others_cpus = 0;
  // Further figures, by name: one value for each repetition, the median is reported.
  std::map<std::string, std::vector<double>> details;
  // For people: why something of the row is missing.
  std::string note;

  // What is compared with the budget: the median over the pairs.
  double figure() const;
  double subject_median() const;
  double baseline_median() const;
  bool met() const { return !spec.has_budget || spec.budget.holds(figure()); }
  bool goal_met() const { return spec.has_goal && spec.goal.holds(figure()); }
};

struct Effort {
  int repetitions = 5;
  // On a shared machine the best attempt counts; a row that meets its budget is not tried again.
  int attempts = 3;
  // No further attempt begins after this time (monotonic): the short form stays short.
  int64_t retry_until_ns = INT64_MAX;
};

// Measures a row: `measure` gives one pair for each repetition; attempts as `effort` allows.
Row measure_row(const RowSpec &spec, const Effort &effort,
                const std::function<Pair(int repetition, Row &)> &measure);

// One line of JSON on standard output, for the front end, and a line on standard error for people.
void print_row(const Row &row);

}  // namespace streamlib::bench
