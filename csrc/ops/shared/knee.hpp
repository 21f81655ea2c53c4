// The static curve of a compressor with a soft knee, a parabola (D. Giannoulis, M. Massberg, J. Reiss,
// "Digital Dynamic Range Compressor Design", JAES 60(6), 2012, eq. 4), and a hold time that ends between
// two samples, so that it has a derivative.
#pragma once

#include "dsp/dual.hpp"

namespace dsp {
namespace {

constexpr double kDbPerNeper = 8.685889638065037;  // 20 / ln 10

/// How many dB of overshoot count at `level`, for c = threshold_db, gain for a dB of it, knee_db; and the
/// slopes of the gain over the level and over the knee.
template <class T>
DSP_HD T knee_curve(const T* c, T level, T& slope, T& knee_slope) {
  const T over = level - c[0];
  const T half = T(0.5) * c[2];
  const T into = over + half;                        // how far the level is into the knee
  const T knee = max_(c[2], T(1e-9));                // a hard knee divides by nothing
  const auto below = less(into, T(0));
  const auto above = less(half, over);
  const T in_knee = T(0.5) * into * into / knee;
  const T amount = select(above, over, select(below, T(0), in_knee));
  slope = c[1] * select(above, T(1), select(below, T(0), into / knee));
  knee_slope = c[1] * select(above, T(0), select(below, T(0), T(0.5) * into / knee - in_knee / knee));
  return amount;
}

/// The share of a sample that lies after the hold, `count` samples after it began.
template <class T>
DSP_HD T after_hold(const T& count, const T& hold) {
  return max_(T(0), min_(T(1), count - hold));
}
/// Its slope over `count`.
template <class T>
DSP_HD T after_hold_slope(const T& count, const T& hold) {
  const T past = count - hold;
  return select(less(T(0), past), select(less(past, T(1)), T(1), T(0)), T(0));
}

}  // namespace
}  // namespace dsp
