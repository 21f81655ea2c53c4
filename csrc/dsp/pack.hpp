// A pack of W numbers worked on at once: rows of a batch on the lanes of a vector register. Functors
// are templates over their scalar type, so a pack runs the very formula a single number runs.
#pragma once

#include <cmath>

#include "dsp/dual.hpp"

namespace dsp {
namespace {

template <class T, int W>
struct Pack {
  using Vector [[gnu::vector_size(W * sizeof(T))]] = T;
  Vector v;

  Pack() = default;
  Pack(Vector value) : v(value) {}  // NOLINT
  template <class U>
    requires std::is_arithmetic_v<U>
  Pack(U value) : v(Vector{} + T(value)) {}  // NOLINT: constants mix with packs on purpose

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

}  // namespace
}  // namespace dsp
