// The gains of a graphic equaliser's bells, solved for as dspcore/effects/graphic_eq.py does, so that the response
// meets every slider: there Newton's method for every sample, here also from the sample before.
#pragma once

#include <algorithm>
#include <cmath>

#include "plugin/memory.hpp"

namespace dsp::plugin {
namespace {

constexpr int kMostBells = 32;

/// Bells whose response at the centres is wanted, one set of gains after another.
class Bells {
 public:
  /// `off` (k, k): at a centre, of a bell, squared distance times the square of the bell's q at small gains.
  Bells(const View& off, double share) : k_(int(off.size[0])), share_(share) {
    for (int j = 0; j < k_; ++j)
      for (int i = 0; i < k_; ++i) off_[j][i] = static_cast<const double*>(off.data)[i * off.stride[0] + j * off.stride[1]];
  }

  /// Steps until nothing moves by more than kNear; the slopes are those of an earlier call where `gains`
  /// is near already.
  void solve(const double* wanted, double* gains, bool near) {
    for (int step = 0; step < kSteps; ++step) {
      const bool fresh = !near || step >= kPatience;
      double rest[kMostBells], furthest = 0;
      respond(gains, rest, fresh);
      for (int i = 0; i < k_; ++i) rest[i] = wanted[i] - rest[i];
      if (fresh) factor();
      back(rest);
      for (int i = 0; i < k_; ++i) {
        gains[i] += rest[i];
        furthest = std::max(furthest, std::fabs(rest[i]));
      }
      if (!(furthest > kNear)) return;
    }
  }

 private:
  static constexpr int kSteps = 10, kPatience = 5;
  static constexpr double kNear = 1e-6;  // dB; 1.4e-9 was left after such a step
  static constexpr double kUnit = 0.11512925464970228420;  // ln(10) / 20

  int k_, order_[kMostBells] = {};
  double share_, off_[kMostBells][kMostBells] = {}, slopes_[kMostBells][kMostBells] = {};  // (of, at), (at, of)

  /// sinh(x) / x.
  static double sinh_ratio(double x) {
    return std::fabs(x) < 1e-2 ? 1 + x * x / 6 * (1 + x * x / 20) : std::sinh(x) / x;
  }
  /// The response in dB at the centres, and its slopes where `slopes` says so.
  void respond(const double* gains, double* response, bool slopes) {
    const double c = share_, d = 1 - share_;
    double ratio[kMostBells];
    std::fill(ratio, ratio + k_, 1.0);
    for (int j = 0; j < k_; ++j) {
      const double power = gains[j] * kUnit, up = std::exp(power), down = 1 / up;
      const double u = c * sinh_ratio(c * power) / (d * sinh_ratio(d * power));
      const double over = up * u, under = down * u;
      const double* const off = off_[j];
      for (int i = 0; i < k_; ++i) ratio[i] *= (off[i] + over) / (off[i] + under);
      if (!slopes) continue;
      const double turn = u * (std::fabs(power) < 1e-2
                                   ? power * ((c * c - d * d) / 3 - power * power * (c * c * c * c - d * d * d * d) / 45)
                                   : c / std::tanh(c * power) - d / std::tanh(d * power));
      const double rise = up * (u + turn), fall = down * (turn - u);
      for (int i = 0; i < k_; ++i) slopes_[i][j] = 0.5 * (rise / (off[i] + over) - fall / (off[i] + under));
    }
    for (int i = 0; i < k_; ++i) response[i] = std::log(ratio[i]) / (2 * kUnit);
  }
  /// Triangles of the slopes, in their place, rows exchanged as `order_` says.
  void factor() {
    for (int p = 0; p < k_; ++p) {
      int best = p;
      for (int i = p + 1; i < k_; ++i)
        if (std::fabs(slopes_[i][p]) > std::fabs(slopes_[best][p])) best = i;
      order_[p] = best;
      if (best != p) std::swap_ranges(slopes_[p], slopes_[p] + k_, slopes_[best]);
      for (int i = p + 1; i < k_; ++i) {
        const double part = slopes_[i][p] /= slopes_[p][p];
        for (int j = p + 1; j < k_; ++j) slopes_[i][j] -= part * slopes_[p][j];
      }
    }
  }
  /// x with slopes x = y, in its place.
  void back(double* y) const {
    for (int p = 0; p < k_; ++p) std::swap(y[p], y[order_[p]]);
    for (int i = 0; i < k_; ++i)
      for (int j = 0; j < i; ++j) y[i] -= slopes_[i][j] * y[j];
    for (int i = k_ - 1; i >= 0; --i) {
      for (int j = i + 1; j < k_; ++j) y[i] -= slopes_[i][j] * y[j];
      y[i] /= slopes_[i][i];
    }
  }
};

/// The gains (1, n, k) for `wanted` (1, n, k). Nothing is remembered from one call to the next: the first
/// sample is solved from nothing, the others on the line through the two before them.
inline void bells(const View& out, const View& wanted, const View& off, double share) {
  const int k = int(off.size[0]);
  Bells solver(off, share);
  double aim[kMostBells], gains[kMostBells] = {}, before[kMostBells] = {}, next[kMostBells];
  for (std::int64_t t = 0; t < out.size[1]; ++t) {
    for (int i = 0; i < k; ++i) {
      aim[i] = static_cast<const double*>(wanted.data)[t * wanted.stride[1] + i * wanted.stride[2]];
      next[i] = t < 2 ? gains[i] : 2 * gains[i] - before[i];
      before[i] = gains[i];
    }
    solver.solve(aim, next, t > 0);
    std::copy(next, next + k, gains);
    for (int i = 0; i < k; ++i) static_cast<double*>(out.data)[t * out.stride[1] + i * out.stride[2]] = gains[i];
  }
}

}  // namespace
}  // namespace dsp::plugin
