// Parameters that a host sets: each glides to a new value in a straight line on its own scale, as
// `Effect.stream` lets it, so that no jump is heard.
#pragma once

#include <atomic>
#include <cmath>

#include "plugin/memory.hpp"

namespace dsp::plugin {
namespace {

constexpr double kGlideSeconds = 0.02;
constexpr double kHighestShare = 0.45;  // of the sample rate, for a frequency

/// What is declared of a parameter.
struct Range {
  double minimum, maximum, start;
  bool logarithmic, frequency;
};

struct Parameter {
  std::atomic<double> wanted{0};  // by the host, from any thread
  double least = 0, most = 1, start = 0, target = 0;
  std::int64_t done = 0, length = 1;
  bool logarithmic = false;
  double* values = nullptr;  // for the samples of a block

  void place(Arena& arena, const Range& range, double rate) {
    least = range.minimum;
    most = range.maximum;
    if (range.frequency) most = std::fmin(most, kHighestShare * rate);
    logarithmic = range.logarithmic;
    length = std::int64_t(std::nearbyint(kGlideSeconds * rate));
    if (length < 1) length = 1;
    values = arena.take<double>(kBlock);
  }
  double clamped(double value) const { return value < least ? least : value > most ? most : value; }
  void jump() {
    start = target = clamped(wanted.load(std::memory_order_relaxed));
    done = length;
  }
  /// Takes up what the host wants; true where that is new.
  bool turn() {
    const double value = clamped(wanted.load(std::memory_order_relaxed));
    if (value == target) return false;
    start = at(done);
    target = value;
    done = 0;
    return true;
  }
  bool glides() const { return done < length; }
  double at(std::int64_t place) const {
    if (place >= length) return target;
    const double share = double(place) / double(length);
    if (!logarithmic) {
      const double u = (start - least) / (most - least), v = (target - least) / (most - least);
      return least + (most - least) * (u + share * (v - u));
    }
    const double span = std::log(most / least);
    const double u = std::log(start / least) / span, v = std::log(target / least) / span;
    return least * std::exp(span * (u + share * (v - u)));
  }
  /// The next `n` samples.
  void spread(std::int64_t n) {
    if (glides())
      for (std::int64_t i = 0; i < n; ++i) values[i] = at(done + 1 + i);
    else
      for (std::int64_t i = 0; i < n; ++i) values[i] = target;
    done = done + n < length ? done + n : length;
  }
};

}  // namespace
}  // namespace dsp::plugin
