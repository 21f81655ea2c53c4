// Reading between the samples of a delay line.
#pragma once

#include "dsp/dual.hpp"

namespace dsp {
namespace {

/// How a line is read, numbered as the Python op numbers them.
enum Interpolation { kLinear, kCubic, kAllpass };

/// The four weights around a point `f` in (0, 1] of the way from sample n to n + 1, for n - 1 ... n + 2,
/// and their slopes in f: a straight line, or the cubic through all four (third-order Lagrange).
template <class T>
DSP_HD void interpolation(bool cubic, const T& f, T* weight, T* slope) {
  const T one(1), two(2), half(0.5), sixth(1.0 / 6);
  if (!cubic) {
    weight[0] = weight[3] = slope[0] = slope[3] = T(0);
    weight[1] = one - f;
    weight[2] = f;
    slope[1] = -one;
    slope[2] = one;
    return;
  }
  weight[0] = -sixth * f * (f - one) * (f - two);
  weight[1] = half * (f + one) * (f - one) * (f - two);
  weight[2] = -half * f * (f + one) * (f - two);
  weight[3] = sixth * f * (f + one) * (f - one);
  slope[0] = -sixth * (T(3) * f * f - T(6) * f + two);
  slope[1] = half * (T(3) * f * f - T(4) * f - one);
  slope[2] = -half * (T(3) * f * f - two * f - two);
  slope[3] = sixth * (T(3) * f * f - one);
}

/// First-order all-pass y[t] = a w[t-n] + w[t-n-1] - a y[t-1], a = (1 - r) / (1 + r), whose delay n + r at
/// low frequencies is `d`, r in [1/2, 3/2) (J.-P. Thiran, "Recursive Digital Filters with Maximally Flat
/// Group Delay", 1971): the coefficient and its slope in d; returns n.
template <class T>
DSP_HD std::int64_t thiran(const T& d, T& a, T& slope) {
  const std::int64_t n = std::int64_t(primal(d) - 0.5);
  const T inverse = T(1) / (d + T(double(1 - n)));
  a = (T(double(n + 1)) - d) * inverse;
  slope = T(-2) * inverse * inverse;
  return n;
}

}  // namespace
}  // namespace dsp
