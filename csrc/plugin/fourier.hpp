// Fast Fourier transforms for exported chains: complex ones of a power of two, in place, and those of
// real blocks made of them.
#pragma once

#include <cmath>
#include <utility>

#include "plugin/memory.hpp"

namespace dsp::plugin {
namespace {

constexpr double kTurn = 6.283185307179586476925286766559;

/// A complex number without std::complex's care for infinities.
struct Complex {
  double re, im;
};
inline Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
inline Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
inline Complex operator*(Complex a, Complex b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
inline Complex operator*(double a, Complex b) { return {a * b.re, a * b.im}; }
inline Complex conj(Complex a) { return {a.re, -a.im}; }

/// X[k] = sum over t of x[t] exp(-2 pi i t k / size).
struct Fourier {
  std::int64_t size = 0;
  Complex* turns = nullptr;  // exp(-2 pi i k / size), the first half

  void place(Arena& arena, std::int64_t n) {
    size = n;
    turns = arena.table<Complex>(n / 2 + 1);
  }
  void fill_in() {
    for (std::int64_t k = 0; k < size / 2; ++k) {
      const double angle = kTurn * double(k) / double(size);
      turns[k] = {std::cos(angle), -std::sin(angle)};
    }
  }
  void forward(Complex* x) const {
    for (std::int64_t i = 1, j = 0; i < size; ++i) {
      std::int64_t bit = size >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) std::swap(x[i], x[j]);
    }
    for (std::int64_t half = 1; half < size; half *= 2) {
      const std::int64_t step = size / (2 * half);
      for (std::int64_t at = 0; at < size; at += 2 * half)
        for (std::int64_t k = 0; k < half; ++k) {
          const Complex a = x[at + k], b = turns[k * step] * x[at + k + half];
          x[at + k] = a + b;
          x[at + k + half] = a - b;
        }
    }
  }
  /// `size` times the inverse.
  void backward(Complex* x) const {
    for (std::int64_t i = 0; i < size; ++i) x[i] = conj(x[i]);
    forward(x);
    for (std::int64_t i = 0; i < size; ++i) x[i] = conj(x[i]);
  }
};

/// Of 2 n real numbers: n bins, the highest one, which is real, in the imaginary part of the first.
struct RealFourier {
  Fourier half;
  Complex* turns = nullptr;  // exp(-2 pi i k / (2 n))

  void place(Arena& arena, std::int64_t n) {
    half.place(arena, n);
    turns = arena.table<Complex>(n / 2 + 1);
  }
  void fill_in() {
    half.fill_in();
    for (std::int64_t k = 0; k <= half.size / 2; ++k) {
      const double angle = kTurn * double(k) / double(2 * half.size);
      turns[k] = {std::cos(angle), -std::sin(angle)};
    }
  }
  /// In place: numbers in pairs become bins.
  void forward(Complex* x) const {
    const std::int64_t n = half.size;
    half.forward(x);
    x[0] = {x[0].re + x[0].im, x[0].re - x[0].im};
    for (std::int64_t k = 1; 2 * k <= n; ++k) {
      const Complex a = x[k], b = conj(x[n - k]);
      const Complex even = 0.5 * (a + b), d = 0.5 * (a - b);
      const Complex odd = turns[k] * Complex{d.im, -d.re};
      x[k] = even + odd;
      x[n - k] = conj(even - odd);
    }
  }
  /// In place, n times the numbers.
  void backward(Complex* x) const {
    const std::int64_t n = half.size;
    x[0] = {0.5 * (x[0].re + x[0].im), 0.5 * (x[0].re - x[0].im)};
    for (std::int64_t k = 1; 2 * k <= n; ++k) {
      const Complex a = x[k], b = conj(x[n - k]);
      const Complex even = 0.5 * (a + b), d = conj(turns[k]) * (0.5 * (a - b));
      x[k] = even + Complex{-d.im, d.re};
      x[n - k] = conj(even) + Complex{d.im, d.re};
    }
    half.backward(x);
  }
};

}  // namespace
}  // namespace dsp::plugin
