// Dual numbers: a value and its derivatives along N directions. A formula written as a template over
// its scalar type gives the derivative when it is run on them, and the second when they are nested.
#pragma once

#include <cmath>

#include "dsp/view.hpp"

namespace dsp {
namespace {

template <class T, int N = 1>
struct Dual {
  T v;
  T d[N];

  DSP_HD Dual() : v(T(0)), d{} {}
  DSP_HD Dual(T value) : v(value), d{} {}  // NOLINT: constants mix with duals on purpose
  template <class U>
    requires(std::is_arithmetic_v<U> && !std::is_same_v<U, T>)
  DSP_HD Dual(U value) : v(T(value)), d{} {}  // NOLINT

  /// The number whose value is `value` and whose derivatives are ours times `slope`.
  DSP_HD Dual chain(T value, T slope) const {
    Dual r(value);
    for (int i = 0; i < N; ++i) r.d[i] = slope * d[i];
    return r;
  }
  DSP_HD Dual& operator+=(const Dual& b) { return *this = *this + b; }
  DSP_HD Dual& operator-=(const Dual& b) { return *this = *this - b; }
  DSP_HD Dual& operator*=(const Dual& b) { return *this = *this * b; }

  friend DSP_HD Dual operator-(const Dual& a) { return a.chain(-a.v, T(-1)); }
  friend DSP_HD Dual operator+(const Dual& a, const Dual& b) {
    Dual r(a.v + b.v);
    for (int i = 0; i < N; ++i) r.d[i] = a.d[i] + b.d[i];
    return r;
  }
  friend DSP_HD Dual operator-(const Dual& a, const Dual& b) {
    Dual r(a.v - b.v);
    for (int i = 0; i < N; ++i) r.d[i] = a.d[i] - b.d[i];
    return r;
  }
  friend DSP_HD Dual operator*(const Dual& a, const Dual& b) {
    Dual r(a.v * b.v);
    for (int i = 0; i < N; ++i) r.d[i] = a.d[i] * b.v + a.v * b.d[i];
    return r;
  }
  friend DSP_HD Dual operator/(const Dual& a, const Dual& b) {
    const T inverse = T(1) / b.v;
    Dual r(a.v * inverse);
    for (int i = 0; i < N; ++i) r.d[i] = (a.d[i] - r.v * b.d[i]) * inverse;
    return r;
  }
};

// Comparisons look at the value: a branch is a choice of formula, not a function to differentiate.
template <class T>
DSP_HD T primal(T x) {
  return x;
}
template <class T, int N>
DSP_HD auto primal(const Dual<T, N>& x) {
  return primal(x.v);
}

template <class T, int N>
DSP_HD Dual<T, N> select(bool mask, const Dual<T, N>& a, const Dual<T, N>& b) {
  return mask ? a : b;
}
DSP_HD float select(bool mask, float a, float b) { return mask ? a : b; }
DSP_HD double select(bool mask, double a, double b) { return mask ? a : b; }
template <class T>
DSP_HD auto less(const T& a, const T& b) {
  return primal(a) < primal(b);
}

/// x times a number that has no derivative: on duals half the work.
template <class T>
DSP_HD T scaled(const T& x, const T& by) {
  return x * by;
}
template <class T, int N>
DSP_HD Dual<T, N> scaled(const Dual<T, N>& x, const T& by) {
  return x.chain(x.v * by, by);
}

// The functions that formulas use, on plain numbers.
DSP_HD float sqrt_(float x) { return std::sqrt(x); }
DSP_HD double sqrt_(double x) { return std::sqrt(x); }
DSP_HD float exp_(float x) { return std::exp(x); }
DSP_HD double exp_(double x) { return std::exp(x); }
DSP_HD float log_(float x) { return std::log(x); }
DSP_HD double log_(double x) { return std::log(x); }
DSP_HD float sin_(float x) { return std::sin(x); }
DSP_HD double sin_(double x) { return std::sin(x); }
DSP_HD float cos_(float x) { return std::cos(x); }
DSP_HD double cos_(double x) { return std::cos(x); }
DSP_HD float tanh_(float x) { return std::tanh(x); }
DSP_HD double tanh_(double x) { return std::tanh(x); }
DSP_HD float atan_(float x) { return std::atan(x); }
DSP_HD double atan_(double x) { return std::atan(x); }
DSP_HD float log1p_(float x) { return std::log1p(x); }
DSP_HD double log1p_(double x) { return std::log1p(x); }

/// tan(pi x) for 0 <= x < 1/2, from tan(pi x / 2) = sin / cos by their series: without a branch, so
/// packs take it on all lanes at once. Near 1/2 it loses digits as the tangent's own slope makes it.
template <class T>
DSP_HD T tan_pi_(const T& x) {
  const T z = T(1.5707963267948966) * x, zz = z * z;
  T sine(1), cosine(1);
  for (int n = 18; n > 0; n -= 2) {
    sine = T(1) - zz * T(1.0 / (n * (n + 1))) * sine;
    cosine = T(1) - zz * T(1.0 / (n * (n - 1))) * cosine;
  }
  const T half = z * sine / cosine;
  return T(2) * half / (T(1) - half * half);
}

// And on duals, by the chain rule.
template <class T, int N>
DSP_HD Dual<T, N> sqrt_(const Dual<T, N>& x) {
  const T root = sqrt_(x.v);
  return x.chain(root, T(0.5) / root);
}
template <class T, int N>
DSP_HD Dual<T, N> exp_(const Dual<T, N>& x) {
  const T e = exp_(x.v);
  return x.chain(e, e);
}
template <class T, int N>
DSP_HD Dual<T, N> log_(const Dual<T, N>& x) {
  return x.chain(log_(x.v), T(1) / x.v);
}
template <class T, int N>
DSP_HD Dual<T, N> log1p_(const Dual<T, N>& x) {
  return x.chain(log1p_(x.v), T(1) / (T(1) + x.v));
}
template <class T, int N>
DSP_HD Dual<T, N> sin_(const Dual<T, N>& x) {
  return x.chain(sin_(x.v), cos_(x.v));
}
template <class T, int N>
DSP_HD Dual<T, N> cos_(const Dual<T, N>& x) {
  return x.chain(cos_(x.v), -sin_(x.v));
}
template <class T, int N>
DSP_HD Dual<T, N> tanh_(const Dual<T, N>& x) {
  const T y = tanh_(x.v);
  return x.chain(y, T(1) - y * y);
}
template <class T, int N>
DSP_HD Dual<T, N> atan_(const Dual<T, N>& x) {
  return x.chain(atan_(x.v), T(1) / (T(1) + x.v * x.v));
}
template <class T, int N>
DSP_HD Dual<T, N> tan_pi_(const Dual<T, N>& x) {
  const T y = tan_pi_(x.v);
  return x.chain(y, T(3.141592653589793) * (T(1) + y * y));
}
template <class T>
DSP_HD T abs_(const T& x) {
  return select(less(x, T(0)), -x, x);
}
template <class T>
DSP_HD T max_(const T& a, const T& b) {
  return select(less(a, b), b, a);
}
template <class T>
DSP_HD T min_(const T& a, const T& b) {
  return select(less(b, a), b, a);
}

}  // namespace
}  // namespace dsp
