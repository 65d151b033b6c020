// SPDX-License-Identifier: LGPL-2.1-or-later
// A row of a benchmark: what was measured against which baseline, and whether the budget was met.
#include "report.h"

#include <cmath>
#include <cstdio>

#include "measure.h"

namespace streamlib::bench {

namespace {

std::string number(double value)
{
  if (!std::isfinite(value))
    return "null";
  char text[32];
  snprintf(text, sizeof text, "%.6g", value);
  return text;
}

std::string quoted(const std::string &text)
{
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      out += '\\';
    if (static_cast<unsigned char>(c) >= ' ')
      out += c;
  }
  return out + "\"";
}

// The members of one JSON object.
class Object {
public:
  void add(const std::string &key, const std::string &json)
  {
    text_ += (text_.empty() ? "{" : ", ") + quoted(key) + ": " + json;
  }
  std::string text() const { return text_.empty() ? "{}" : text_ + "}"; }

private:
  std::string text_;
};

double ratio(const RowSpec &spec, const Pair &pair)
{
  if (spec.absolute)
    return pair.subject;
  return pair.baseline > 0 ? pair.subject / pair.baseline : 0;
}

std::string json(const Row &row)
{
  Object out;
  const RowSpec &spec = row.spec;
  out.add("row", quoted(spec.id));
  out.add("what", quoted(spec.what));
  out.add("subject", quoted(spec.subject));
  out.add("baseline", quoted(spec.baseline));
  out.add("unit", quoted(spec.unit));
  out.add("subject_median", number(row.subject_median()));
  out.add("baseline_median", number(row.baseline_median()));
  out.add("compared", quoted(spec.absolute ? "value" : "ratio"));
  out.add("figure", number(row.figure()));
  std::string all;
  for (const Pair &pair : row.pairs)
    all += (all.empty() ? "" : ", ") + number(ratio(spec, pair));
  out.add("figures", "[" + all + "]");
  out.add("budget", spec.has_budget ? quoted(spec.budget.text()) : "null");
  out.add("goal", spec.has_goal ? quoted(spec.goal.text()) : "null");
  out.add("met", spec.has_budget ? (row.met() ? "true" : "false") : "null");
  out.add("goal_met", spec.has_goal ? (row.goal_met() ? "true" : "false") : "null");
  out.add("attempts", number(row.attempts));
  out.add("others_cpus", number(row.others_cpus));
  Object details;
  for (const auto &[name, values] : row.details)
    details.add(name, number(median(values)));
  out.add("details", details.text());
  out.add("note", quoted(row.note));
  return out.text();
}

bool better_than(const Row &a, const Row &b)
{
  return a.spec.budget.better == Better::kHigher ? a.figure() > b.figure()
                                                 : a.figure() < b.figure();
}

}  // namespace

std::string Limit::text() const
{
  char out[32];
  snprintf(out, sizeof out, "%s %g", better == Better::kHigher ? ">=" : "<=", value);
  return out;
}

double Row::figure() const
{
  std::vector<double> ratios;
  for (const Pair &pair : pairs)
    ratios.push_back(ratio(spec, pair));
  return median(std::move(ratios));
}

double Row::subject_median() const
{
  std::vector<double> values;
  for (const Pair &pair : pairs)
    values.push_back(pair.subject);
  return median(std::move(values));
}

double Row::baseline_median() const
{
  std::vector<double> values;
  for (const Pair &pair : pairs)
    values.push_back(pair.baseline);
  return median(std::move(values));
}

Row measure_row(const RowSpec &spec, const Effort &effort,
                const std::function<Pair(int repetition, Row &)> &measure)
{
  Row best;
  for (int attempt = 1; attempt <= effort.attempts; attempt++) {
    Row row;
    row.spec = spec;
    OthersLoad others;
    for (int i = 0; i < effort.repetitions; i++)
      row.pairs.push_back(measure(i, row));
    row.others_cpus = others.cpus();
    if (attempt == 1 || better_than(row, best))
      best = std::move(row);
    best.attempts = attempt;
    if (best.met() || monotonic_ns() > effort.retry_until_ns)
      break;
  }
  return best;
}

void print_row(const Row &row)
{
  printf("%s\n", json(row).c_str());
  fflush(stdout);
  const char *verdict = !row.spec.has_budget ? "-" : row.met() ? "met" : "MISSED";
  fprintf(stderr, "%-28s %10.3g %-12s %s\n", row.spec.id.c_str(), row.figure(),
          row.spec.has_budget ? row.spec.budget.text().c_str() : "", verdict);
  if (!row.note.empty())
    fprintf(stderr, "%-28s %s\n", "", row.note.c_str());
}

}  // namespace streamlib::bench
