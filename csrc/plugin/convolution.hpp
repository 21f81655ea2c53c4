// Convolution with long responses, without delay, at an even cost: the first taps directly, those after
// them in short partitions, the rest in long ones that are worked on a little after every short block.
//
// Source: W. Gardner, "Efficient Convolution without Input-Output Delay", JAES 43(3), 1995.
#pragma once

#include <algorithm>

#include "plugin/fourier.hpp"
#include "plugin/tensor.hpp"

namespace dsp::plugin {
namespace {

/// Two numbers at once, wherever they lie.
typedef double Two __attribute__((vector_size(16), aligned(8)));
inline Two two(const double* x) { return *reinterpret_cast<const Two*>(x); }
inline void put(double* x, Two v) { *reinterpret_cast<Two*>(x) = v; }

/// Partitions of responses, of one size, and the spectra of as many blocks of input, for rows of audio.
/// A block of input counts for less as time goes on: `falls`, by band.
struct Partitions {
  std::int64_t size = 0, count = 0, rows = 0, bands = 0, responses = 0;
  RealFourier fourier;
  double *taps = nullptr, *inputs = nullptr;  // spectra: all real parts, then all imaginary ones
  Complex *work = nullptr, *sum = nullptr;
  double* falls = nullptr;
  std::int64_t* newest = nullptr;

  void place(Arena& arena, std::int64_t block, std::int64_t n, std::int64_t r, std::int64_t k, std::int64_t own) {
    size = block, count = n, rows = r, bands = k, responses = own;
    fourier.place(arena, size);
    taps = arena.table<double>(responses * count * 2 * size);
    inputs = arena.take<double>(rows * count * 2 * size);
    work = arena.take<Complex>(rows * size);
    sum = arena.take<Complex>(size);
    falls = arena.take<double>(bands * count);
    newest = arena.take<std::int64_t>(1);
  }
  void clear() {
    std::memset(inputs, 0, std::size_t(rows * count * 2 * size) * sizeof(double));
    std::memset(static_cast<void*>(work), 0, std::size_t(rows * size) * sizeof(Complex));
    for (std::int64_t i = 0; i < bands * count; ++i) falls[i] = 1.0;
    *newest = 0;
  }
  /// Takes the partitions of one response from its tap `first` on.
  void learn(std::int64_t response, const double* h, std::int64_t stride, std::int64_t first, std::int64_t n) {
    for (std::int64_t p = 0; p < count; ++p) {
      double* const pairs = reinterpret_cast<double*>(sum);
      for (std::int64_t i = 0; i < 2 * size; ++i) {
        const std::int64_t at = first + p * size + i;
        pairs[i] = i < size && at < n ? h[at * stride] / double(size) : 0.0;
      }
      transform(taps + (response * count + p) * 2 * size);
    }
  }
  /// Begins a block: by how much the level of each band fell in the one before.
  void step(const double* fell) {
    if (count == 0) return;
    *newest = (*newest + 1) % count;
    for (std::int64_t k = 0; k < bands; ++k) {
      double* const own = falls + k * count;
      for (std::int64_t j = 0; j < count; ++j) own[j] *= fell[k];
      own[*newest] = fell[k];
    }
  }
  /// Two blocks of input of one row meet every partition; the result is `made`.
  void turn(std::int64_t row, std::int64_t band, std::int64_t response, const double* window) {
    if (count == 0) return;
    std::memcpy(static_cast<void*>(sum), window, std::size_t(2 * size) * sizeof(double));
    transform(inputs + (row * count + *newest) * 2 * size);
    double* const total = reinterpret_cast<double*>(sum);
    std::memset(total, 0, std::size_t(2 * size) * sizeof(double));
    double low = 0, high = 0;  // the bins that are real
    for (std::int64_t j = 0; j < count; ++j) {
      const std::int64_t slot = (*newest + count - j) % count;
      const double* const x = inputs + (row * count + slot) * 2 * size;
      const double* const h = taps + (response * count + j) * 2 * size;
      const double share = falls[band * count + slot];
      low += share * x[0] * h[0];
      high += share * x[size] * h[size];
      add(total, x, h, share);
    }
    Complex* const to = work + row * size;
    for (std::int64_t k = 0; k < size; ++k) to[k] = {total[k], total[size + k]};
    to[0] = {low, high};
    fourier.backward(to);
  }
  /// What the past gives to the next block of a row.
  const double* made(std::int64_t row) const { return reinterpret_cast<const double*>(work + row * size) + size; }

 private:
  /// The numbers in `sum` as a spectrum.
  void transform(double* to) {
    fourier.forward(sum);
    for (std::int64_t k = 0; k < size; ++k) {
      to[k] = sum[k].re;
      to[size + k] = sum[k].im;
    }
  }
  void add(double* total, const double* x, const double* h, double share) const {
    for (std::int64_t k = 0; k < size; k += 2) {
      const Two a = share * two(x + k), b = share * two(x + size + k), c = two(h + k), d = two(h + size + k);
      put(total + k, two(total + k) + (a * c - b * d));
      put(total + size + k, two(total + size + k) + (a * d + b * c));
    }
  }
};

/// y[t] = sum over k of g_k[t] sum over i of h_k[i] exp(A_k[t-i] - A_k[t]) x[t-i], A the sum of the rates
/// a: a response whose bands k decay at rates that may move. One band without rates is plain convolution.
///
/// Inputs are kept as x exp(A), relative to the level at the start of the short and of the long block that
/// they are in, so that nothing grows out of bounds.
struct Convolution {
  static constexpr std::int64_t kShort = 128, kMostBands = 16;
  std::int64_t channels = 0, bands = 0, own = 0, taps = 0, size = 0, rows = 0;
  Partitions early, late;
  double* head = nullptr;      // the first taps of each response
  double* recent = nullptr;    // of each row the short block before, and the one under way
  double* window = nullptr;    // the same of long blocks
  double* snapshot = nullptr;  // of long blocks, those being worked on
  double* aside = nullptr;     // what the partitions of long blocks give to this long block
  double* level = nullptr;     // of each band since the start of the short block, and of the long one
  std::int64_t* at = nullptr;  // samples since the start of the short block, and of the long one; rows done

  /// For `c` channels and `k` bands, with one response a channel or one for all, of `n` taps.
  void place(Arena& arena, std::int64_t c, std::int64_t k, std::int64_t responses, std::int64_t n, double rate) {
    channels = c, bands = k, own = responses, taps = n, rows = c * k;
    size = kShort;  // until the quickest decay falls by some 30 dB
    while (2 * size <= 0.05 * rate && size < 8192) size *= 2;
    const std::int64_t early_taps = std::min(n, 2 * size) - kShort, late_taps = n - 2 * size;
    early.place(arena, kShort, early_taps > 0 ? (early_taps + kShort - 1) / kShort : 0, rows, bands, bands * own);
    late.place(arena, size, late_taps > 0 ? (late_taps + size - 1) / size : 0, rows, bands, bands * own);
    head = arena.table<double>(bands * own * kShort);
    recent = arena.take<double>(rows * 2 * kShort);
    level = arena.take<double>(2 * bands);
    at = arena.take<std::int64_t>(3);
    const std::int64_t lines = late.count ? rows : 0;
    window = arena.take<double>(lines * 2 * size);
    snapshot = arena.take<double>(lines * 2 * size);
    aside = arena.take<double>(lines * size);
  }
  void clear() {
    early.clear();
    late.clear();
    const std::int64_t lines = late.count ? rows : 0;
    std::memset(recent, 0, std::size_t(rows * 2 * kShort) * sizeof(double));
    std::memset(window, 0, std::size_t(lines * 2 * size) * sizeof(double));
    std::memset(snapshot, 0, std::size_t(lines * 2 * size) * sizeof(double));
    std::memset(aside, 0, std::size_t(lines * size) * sizeof(double));
    for (std::int64_t k = 0; k < 2 * bands; ++k) level[k] = 0.0;
    at[0] = at[1] = at[2] = 0;
  }
  /// The responses, ([k,] c, n).
  template <class T>
  void learn(const View& h) {
    early.fourier.fill_in();
    late.fourier.fill_in();
    const int d = h.ndim - 1;
    double* const line = new double[std::size_t(taps)];  // a chain is being made: no audio yet
    for (std::int64_t k = 0; k < bands; ++k)
      for (std::int64_t c = 0; c < own; ++c) {
        const T* const from = memory<T>(h) + c * h.stride[d - 1] + (bands > 1 ? k * h.stride[d - 2] : 0);
        for (std::int64_t i = 0; i < taps; ++i) line[i] = double(from[i * h.stride[d]]);
        const std::int64_t response = k * own + c;
        for (std::int64_t i = 0; i < kShort; ++i) head[response * kShort + i] = i < taps ? line[i] : 0.0;
        early.learn(response, line, 1, kShort, std::min(taps, 2 * size));
        late.learn(response, line, 1, 2 * size, taps);
      }
    delete[] line;
  }

  void run(const View& y, const View& x) { run(y, x, View{}, View{}); }
  /// Rates and gains (1, k, 1 or n).
  void run(const View& y, const View& x, const View& rates, const View& gains) {
    const std::int64_t samples = x.size[2];
    for (std::int64_t from = 0; from < samples;) {
      const std::int64_t n = std::min({samples - from, kShort - at[0], std::int64_t(kBlock)});
      for (std::int64_t c = 0; c < channels; ++c)
        for (std::int64_t i = 0; i < n; ++i) out(y, c, from + i) = 0.0;
      for (std::int64_t k = 0; k < bands; ++k) play(y, x, rates, gains, k, from, n);
      from += n;
      at[0] += n;
      at[1] += n;
      if (at[0] == kShort) end_short();
    }
  }

 private:
  static double& out(const View& y, std::int64_t c, std::int64_t t) {
    return memory<double>(y)[c * y.stride[1] + t * y.stride[2]];
  }
  static double moving(const View& v, std::int64_t k, std::int64_t t) {
    return memory<double>(v)[k * v.stride[1] + (v.size[2] > 1 ? t * v.stride[2] : 0)];
  }
  std::int64_t response(std::int64_t k, std::int64_t c) const { return k * own + (own > 1 ? c : 0); }

  void play(const View& y, const View& x, const View& rates, const View& gains, std::int64_t k, std::int64_t from,
            std::int64_t n) {
    double up[kBlock], down[kBlock], gain[kBlock], sum[kBlock];
    const bool falls = rates.data != nullptr;
    const double between = level[bands + k] - level[k];  // the level at the start of the short block
    const double apart = std::exp(between);
    for (std::int64_t i = 0; i < n; ++i) {
      if (falls) level[k] += moving(rates, k, from + i);
      up[i] = falls ? std::exp(level[k]) : 1.0;
      down[i] = 1.0 / up[i];
      gain[i] = falls ? moving(gains, k, from + i) : 1.0;
    }
    level[bands + k] = level[k] + between;
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t row = k * channels + c;
      double* const now = recent + row * 2 * kShort + kShort + at[0];
      for (std::int64_t i = 0; i < n; ++i)
        now[i] = up[i] * memory<double>(x)[c * x.stride[1] + (from + i) * x.stride[2]];
      direct(sum, now, head + response(k, c) * kShort, n);
      if (early.count) {
        const double* const past = early.made(row) + at[0];
        for (std::int64_t i = 0; i < n; ++i) sum[i] += past[i];
      }
      if (late.count) {
        double* const kept = window + row * 2 * size + size + at[1];
        const double* const past = aside + row * size + at[1];
        for (std::int64_t i = 0; i < n; ++i) {
          kept[i] = apart * now[i];
          sum[i] += past[i] / apart;
        }
      }
      for (std::int64_t i = 0; i < n; ++i) out(y, c, from + i) += gain[i] * down[i] * sum[i];
    }
  }
  /// sum[i] = sum over j of h[j] x[i-j].
  static void direct(double* sum, const double* x, const double* h, std::int64_t n) {
    std::int64_t i = 0;
    for (; i + 8 <= n; i += 8) {  // four sums, as an addition waits for the one before
      Two a = {}, b = {}, c = {}, d = {};
      for (std::int64_t j = 0; j < kShort; ++j) {
        const double* const from = x + i - j;
        a += h[j] * two(from);
        b += h[j] * two(from + 2);
        c += h[j] * two(from + 4);
        d += h[j] * two(from + 6);
      }
      put(sum + i, a);
      put(sum + i + 2, b);
      put(sum + i + 4, c);
      put(sum + i + 6, d);
    }
    for (; i < n; ++i) {
      sum[i] = 0.0;
      for (std::int64_t j = 0; j < kShort; ++j) sum[i] += h[j] * x[i - j];
    }
  }

  void end_short() {
    double fell[kMostBands];
    for (std::int64_t k = 0; k < bands; ++k) {
      fell[k] = std::exp(-level[k]);
      level[k] = 0.0;
    }
    early.step(fell);
    for (std::int64_t k = 0; k < bands; ++k)
      for (std::int64_t c = 0; c < channels; ++c) {
        const std::int64_t row = k * channels + c;
        double* const blocks = recent + row * 2 * kShort;
        early.turn(row, k, response(k, c), blocks);
        for (std::int64_t i = 0; i < kShort; ++i) blocks[i] = fell[k] * blocks[kShort + i];
      }
    at[0] = 0;
    if (late.count == 0) {
      for (std::int64_t k = 0; k < bands; ++k) level[bands + k] = 0.0;
      at[1] = 0;
      return;
    }
    const std::int64_t due = (rows * at[1] + size - 1) / size;
    for (; at[2] < due; ++at[2])
      late.turn(at[2], at[2] / channels, response(at[2] / channels, at[2] % channels), snapshot + at[2] * 2 * size);
    if (at[1] == size) end_long();
  }
  void end_long() {
    double fell[kMostBands];
    for (std::int64_t k = 0; k < bands; ++k) {
      fell[k] = std::exp(-level[bands + k]);
      level[bands + k] = 0.0;
    }
    for (std::int64_t row = 0; row < rows; ++row) {
      const double share = fell[row / channels];
      double* const blocks = window + row * 2 * size;
      const double* const made = late.made(row);
      for (std::int64_t i = 0; i < size; ++i) aside[row * size + i] = share * made[i];
      std::memcpy(snapshot + row * 2 * size, blocks, std::size_t(2 * size) * sizeof(double));
      for (std::int64_t i = 0; i < size; ++i) blocks[i] = share * blocks[size + i];
    }
    late.step(fell);
    at[1] = at[2] = 0;
  }
};

}  // namespace
}  // namespace dsp::plugin
