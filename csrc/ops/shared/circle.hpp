// Sine and cosine of a phase in turns, and samples of one row side by side in a vector register.
#pragma once

#include <cstring>

#include "dsp/launch.hpp"

namespace dsp {
namespace {

/// Sine and cosine of `turns` full circles.
DSP_HD void circle(double turns, double& s, double& c) {
  const double angle = 6.283185307179586 * (turns - std::floor(turns + 0.5));
  s = sin_(angle);
  c = cos_(angle);
}
/// The same in float: Taylor polynomials on a quarter turn, within 1e-7.
DSP_HD void circle(double turns, float& s, float& c) {
  const float r = float(turns - std::floor(turns + 0.5));  // -0.5 ... 0.5
  const float a = std::fabs(r);
  const float x = 6.2831853f * (0.25f - std::fabs(a - 0.25f)), y = 6.2831853f * (a - 0.25f);
  const float xx = x * x, yy = y * y;
  const float sx = x * (1 + xx * (-1.6666667e-1f + xx * (8.3333333e-3f + xx * (-1.9841270e-4f +
                   xx * (2.7557319e-6f - xx * 2.5052108e-8f)))));
  const float sy = y * (1 + yy * (-1.6666667e-1f + yy * (8.3333333e-3f + yy * (-1.9841270e-4f +
                   yy * (2.7557319e-6f - yy * 2.5052108e-8f)))));
  s = std::copysign(sx, r);
  c = -sy;
}
template <class T>
DSP_HD void circle(const Dual<double, 1>& turns, Dual<T, 1>& s, Dual<T, 1>& c) {
  circle(turns.v, s.v, c.v);
  const T rate = T(6.283185307179586 * turns.d[0]);
  s.d[0] = rate * c.v;
  c.d[0] = -(rate * s.v);
}

/// The turns past the last full one.
DSP_HD double wrap(double x) { return x - std::floor(x); }
DSP_HD Dual<double, 1> wrap(const Dual<double, 1>& x) { return x - Dual<double, 1>(std::floor(x.v)); }

/// Samples of one row of type T side by side: a vector register on a CPU, T itself on a GPU.
template <class T>
struct Abreast {
#ifdef __CUDACC__
  using Type = T;
#else
  using Type = Pack<T, kLaneBytes / int(sizeof(T))>;
#endif
};
#ifndef __CUDACC__
template <class T>
struct Abreast<Dual<T, 1>> {
  using Type = Dual<Pack<T, kLaneBytes / int(sizeof(T))>, 1>;
};
#endif

/// `x` on every lane.
template <class V, class T>
DSP_HD V spread(const T& x) {
  if constexpr (std::is_same_v<V, T>) {
    return x;
  } else if constexpr (std::is_arithmetic_v<T>) {
    return V(x);
  } else {
    V r(decltype(V::v)(x.v));
    r.d[0] = decltype(V::v)(x.d[0]);
    return r;
  }
}

/// `count` numbers from `at` on, side by side; the lanes after them are 0.
template <class V, class M, class T>
DSP_HD V abreast(const Series<M, T>& from, std::int64_t at, int count) {
  V r(0);
  if constexpr (!std::is_same_v<V, T>) {
    const auto part = [&](const M* data, std::int64_t step, auto& to) {
      if (!data) return;
      if (step == 1 && count == Traits<V>::kLanes)
        std::memcpy(&to, data + at, sizeof to);
      else
        for (int l = 0; l < count; ++l) to.set(l, data[(at + l) * step]);
    };
    if constexpr (std::is_arithmetic_v<T>) {
      part(from.value, from.value_step, r);
    } else {
      part(from.value, from.value_step, r.v);
      part(from.tangent, from.tangent_step, r.d[0]);
    }
  } else if (count > 0) {
    r = from[at];
  }
  return r;
}

/// The sum over the lanes, halves first.
template <class V>
DSP_HD typename Traits<V>::Scalar total(const V& x) {
#ifndef __CUDACC__
  if constexpr (Traits<V>::kLanes > 4) {
    constexpr int kHalf = Traits<V>::kLanes / 2;
    if constexpr (std::is_same_v<typename Traits<V>::Scalar, typename Traits<V>::Real>) {
      using Half = Pack<typename Traits<V>::Real, kHalf>;
      Half low, high;
      std::memcpy(&low, &x, sizeof(Half));
      std::memcpy(&high, reinterpret_cast<const char*>(&x) + sizeof(Half), sizeof(Half));
      return total(low + high);
    }
  }
#endif
  typename Traits<V>::Scalar sum = lane(x, 0);
  for (int l = 1; l < Traits<V>::kLanes; ++l) sum += lane(x, l);
  return sum;
}

/// (s, c) one turn further by (ds, dc), both sines and cosines.
template <class V>
DSP_HD void turn(V& s, V& c, const V& ds, const V& dc) {
  const V next = s * dc + c * ds;
  c = c * dc - s * ds;
  s = next;
}

/// Sine and cosine of an angle in radians.
template <class T>
DSP_HD void sines(const T& angle, T& s, T& c) {
  s = sin_(angle);
  c = cos_(angle);
}
#ifndef __CUDACC__
/// The same side by side: polynomials on the half turn around the nearest multiple of pi, within
/// 1e-7 in float and 1e-13 in double of the angle's sine; an angle past all precision counts as 0.
template <class T, int W>
inline void sines(const Pack<T, W>& angle, Pack<T, W>& s, Pack<T, W>& c) {
  constexpr bool kSingle = sizeof(T) == 4;
  using Bits = std::conditional_t<kSingle, std::uint32_t, std::uint64_t>;
  using Words [[gnu::vector_size(W * sizeof(T))]] = Bits;
  using P = Pack<T, W>;
  const T magic = kSingle ? T(12582912.0) : T(6755399441055744.0);  // adding it rounds to whole numbers
  const P shifted = angle * P(T(0.3183098861837907)) + P(magic), turns = shifted - P(magic);
  // Pi in three parts (Cephes): the products of the first two are exact, so no fused multiply-add is needed.
  const P r = ((angle - turns * P(T(kSingle ? 3.140625 : 3.14159250259399414062))) -
        turns * P(T(kSingle ? 9.67502593994140625e-4 : 1.50995788317231927067e-7))) -
        turns * P(T(kSingle ? 1.50995799097837643e-7 : 1.07806057163162381058e-14));
  const P z = r * r;
  P even, odd;
  if constexpr (kSingle) {
    odd = P(T(9.9999997658e-01)) + z * (P(T(-1.6666647627e-01)) + z * (P(T(8.3328996944e-03)) + z * (P(T(-1.9800889803e-04)) + z * (P(T(2.5904723714e-06))))));
    even = P(T(9.9999999978e-01)) + z * (P(T(-4.9999999358e-01)) + z * (P(T(4.1666636246e-02)) + z * (P(T(-1.3888361243e-03)) + z * (P(T(2.4760153182e-05)) + z * (P(T(-2.6051348046e-07)))))));
  } else {
    odd = even = P(T(0));
    for (int k = 10; k >= 0; --k) {
      odd = P(T(1)) - z * odd * P(T(1) / T((2 * k + 2) * (2 * k + 3)));
      even = P(T(1)) - z * even * P(T(1) / T((2 * k + 1) * (2 * k + 2)));
    }
  }
  Words sign, bits;
  std::memcpy(&sign, &shifted, sizeof sign);
  sign <<= 8 * sizeof(T) - 1;  // odd multiples of pi turn both signs
  const P sine = r * odd;
  std::memcpy(&bits, &sine, sizeof bits);
  bits ^= sign;
  std::memcpy(&s, &bits, sizeof bits);
  std::memcpy(&bits, &even, sizeof bits);
  bits ^= sign;
  std::memcpy(&c, &bits, sizeof bits);
  const auto lost = less(P(T(3)), z);  // never so for what is not a number
  s = select(lost, P(T(0)), s);
  c = select(lost, P(T(1)), c);
}
#endif
template <class V>
DSP_HD void sines(const Dual<V, 1>& angle, Dual<V, 1>& s, Dual<V, 1>& c) {
  sines(angle.v, s.v, c.v);
  s.d[0] = angle.d[0] * c.v;
  c.d[0] = -(angle.d[0] * s.v);
}

}  // namespace
}  // namespace dsp
