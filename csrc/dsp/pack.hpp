// A pack of W numbers worked on at once: rows of a batch on the lanes of a vector register. Functors
// are templates over their scalar type, so a pack runs the very formula a single number runs.
#pragma once

#include <cmath>
#include <limits>

#include "dsp/dual.hpp"

namespace dsp {
namespace {

/// Of a vector register.
#if defined(__AVX512F__)
constexpr int kLaneBytes = 64;
#elif defined(__AVX2__)
constexpr int kLaneBytes = 32;
#else
constexpr int kLaneBytes = 16;
#endif

template <class T, int W>
struct Pack {
  using Vector [[gnu::vector_size(W * sizeof(T))]] = T;
  Vector v;

  Pack() = default;
  Pack(Vector value) : v(value) {}  // NOLINT
  template <class U>
    requires std::is_arithmetic_v<U>
  Pack(U value) : v(Vector{} + T(value)) {}  // NOLINT: constants mix with packs on purpose

  /// From memory, wherever it lies, and back to it.
  static Pack at(const T* from) {
    Pack r;
    __builtin_memcpy(&r.v, from, sizeof(r.v));
    return r;
  }
  void to(T* where) const { __builtin_memcpy(where, &v, sizeof(v)); }

  T operator[](int lane) const { return v[lane]; }
  void set(int lane, T value) { v[lane] = value; }
  Pack& operator+=(Pack b) { return *this = *this + b; }
  Pack& operator-=(Pack b) { return *this = *this - b; }
  Pack& operator*=(Pack b) { return *this = *this * b; }

  friend inline Pack operator-(Pack a) { return -a.v; }
  friend inline Pack operator+(Pack a, Pack b) { return a.v + b.v; }
  friend inline Pack operator-(Pack a, Pack b) { return a.v - b.v; }
  friend inline Pack operator*(Pack a, Pack b) { return a.v * b.v; }
  friend inline Pack operator/(Pack a, Pack b) { return a.v / b.v; }
};

template <class T, int W>
inline Pack<T, W> primal(Pack<T, W> x) {
  return x;
}
template <class T, int W>
inline auto less(Pack<T, W> a, Pack<T, W> b) {
  return a.v < b.v;
}
template <class Mask, class T, int W>
inline Pack<T, W> select(Mask mask, Pack<T, W> a, Pack<T, W> b) {
  return Pack<T, W>(mask ? a.v : b.v);
}

template <class T, int W, class F>
inline Pack<T, W> lanewise(Pack<T, W> x, F f) {
  Pack<T, W> r;
  for (int i = 0; i < W; ++i) r.v[i] = f(x.v[i]);
  return r;
}
template <class T, int W>
inline Pack<T, W> sqrt_(Pack<T, W> x) {
  return lanewise(x, [](T e) { return std::sqrt(e); });
}
template <class T, int W>
inline Pack<T, W> tanh_(Pack<T, W> x) {
  return lanewise(x, [](T e) { return std::tanh(e); });
}
template <class T, int W>
inline Pack<T, W> atan_(Pack<T, W> x) {
  return lanewise(x, [](T e) { return std::atan(e); });
}
template <class T, int W>
inline Pack<T, W> sin_(Pack<T, W> x) {
  return lanewise(x, [](T e) { return std::sin(e); });
}
template <class T, int W>
inline Pack<T, W> cos_(Pack<T, W> x) {
  return lanewise(x, [](T e) { return std::cos(e); });
}
template <class T, int W>
inline Pack<T, W> log1p_(Pack<T, W> x) {
  return lanewise(x, [](T e) { return std::log1p(e); });
}
template <class T, int W>
inline Pack<T, W> exp_(Pack<T, W> x) {
  return lanewise(x, [](T e) { return std::exp(e); });
}
template <class T, int W>
inline Pack<T, W> log_(Pack<T, W> x) {
  return lanewise(x, [](T e) { return std::log(e); });
}


// Logarithm and exponential of floats, within 2 units in the last place (S. Moshier, Cephes, logf and
// expf): what a compressor does at every sample must not be done lane by lane.
template <int W>
struct FloatBits {
  using Floats = typename Pack<float, W>::Vector;
  using Ints [[gnu::vector_size(W * sizeof(int))]] = int;

  static Ints ints(Floats x) {
    Ints r;
    __builtin_memcpy(&r, &x, sizeof(r));
    return r;
  }
  static Floats floats(Ints x) {
    Floats r;
    __builtin_memcpy(&r, &x, sizeof(r));
    return r;
  }
};
template <int W>
inline Pack<float, W> log_(Pack<float, W> x) {
  using Floats = typename FloatBits<W>::Floats;
  using Ints = typename FloatBits<W>::Ints;
  const Ints bits = FloatBits<W>::ints(x.v);
  // x = m 2^e with m in [sqrt(1/2), sqrt(2))
  const Ints shifted = bits - 0x3f3504f3, e = shifted >> 23, mantissa = (shifted & 0x007fffff) + 0x3f3504f3;
  const Floats m = FloatBits<W>::floats(mantissa) - 1.0f, exponent = __builtin_convertvector(e, Floats);
  Floats r = 7.0376836292e-2f * m - 1.1514610310e-1f;
  constexpr float kLog[] = {1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f, -1.6668057665e-1f, 2.0000714765e-1f,
                        -2.4999993993e-1f, 3.3333331174e-1f};
  for (const float c : kLog) r = r * m + c;
  const Floats square = m * m;
  Floats y = r * m * square - 2.12194440e-4f * exponent - 0.5f * square;
  y = m + y + 0.693359375f * exponent;
  const Floats infinite = Floats{} + std::numeric_limits<float>::infinity();
  return Pack<float, W>(x.v < infinite ? y : x.v);  // also what is not a number
}
template <int W>
inline Pack<float, W> exp_(Pack<float, W> x) {
  using Floats = typename FloatBits<W>::Floats;
  using Ints = typename FloatBits<W>::Ints;
  const Floats low = Floats{} - 87.0f, high = Floats{} + 88.0f;
  Floats v = x.v < low ? low : x.v;
  v = v > high ? high : v;
  const Floats turns = (v * 1.44269504088896341f + 12582912.0f) - 12582912.0f;  // to the nearest integer
  v = v - turns * 0.693359375f + turns * 2.12194440e-4f;
  Floats r = 1.9875691500e-4f * v + 1.3981999507e-3f;
  constexpr float kExp[] = {8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
  for (const float c : kExp) r = r * v + c;
  const Ints power = (__builtin_convertvector(turns, Ints) + 127) << 23;
  return Pack<float, W>((r * v * v + v + 1.0f) * FloatBits<W>::floats(power));
}

// Duals of packs: rows on the lanes, each with its tangent.
template <class T, int W, int N>
inline auto less(const Dual<Pack<T, W>, N>& a, const Dual<Pack<T, W>, N>& b) {
  return a.v.v < b.v.v;
}
template <class Mask, class T, int W, int N>
inline Dual<Pack<T, W>, N> select(Mask mask, const Dual<Pack<T, W>, N>& a, const Dual<Pack<T, W>, N>& b) {
  Dual<Pack<T, W>, N> r(select(mask, a.v, b.v));
  for (int i = 0; i < N; ++i) r.d[i] = select(mask, a.d[i], b.d[i]);
  return r;
}

}  // namespace
}  // namespace dsp
