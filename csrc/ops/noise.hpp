// Noise from a counter: every sample is a function of seed, stream and its number alone, so blocks,
// threads and devices agree. Philox4x32-10 (J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel Random
// Numbers: As Easy as 1, 2, 3", SC 2011); normal samples by Box and Muller, in float64. Sample n is word
// (n % 64) / 16 of counter 16 (n / 64) + n % 16: sixteen counters side by side fill a vector register.
#pragma once

#include "dsp/op.hpp"

namespace dsp {
namespace {

/// Ten rounds on W counters side by side.
template <int W>
DSP_HD void philox(std::uint32_t (&c)[4][W], std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    for (int j = 0; j < W; ++j) {
      const std::uint64_t a = std::uint64_t(0xD2511F53U) * c[0][j], b = std::uint64_t(0xCD9E8D57U) * c[2][j];
      c[0][j] = std::uint32_t(b >> 32) ^ c[1][j] ^ key0;
      c[2][j] = std::uint32_t(a >> 32) ^ c[3][j] ^ key1;
      c[1][j] = std::uint32_t(b);
      c[3][j] = std::uint32_t(a);
    }
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
}

/// log(x) of a positive normal number within 2e-14, in steps that a compiler can lay side by side.
DSP_HD double logarithm(double x) {
  std::uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const std::uint64_t from_root = bits - 0x3FE6A09E667F3BCDULL;  // sqrt(1/2) up to sqrt(2) is exponent 0
  const std::uint64_t exponent = from_root & 0xFFF0000000000000ULL;
  bits -= exponent;
  std::memcpy(&x, &bits, sizeof bits);
  const double s = (x - 1) / (x + 1), z = s * s;
  const double series = 1 + z * (1.0 / 3 + z * (1.0 / 5 + z * (1.0 / 7 + z * (1.0 / 9 + z * (1.0 / 11 + z * (1.0 / 13 + z / 15))))));
  return double(std::int32_t(exponent >> 32) >> 20) * 0.6931471805599453 + 2 * s * series;
}

/// sin(2 pi w / 2^32) within 1e-12.
DSP_HD double sine_of_word(std::uint32_t w) {
  const std::uint32_t beyond = (w ^ (w << 1)) >> 31;  // past a quarter turn: mirror it
  const double x = double(std::int32_t(beyond ? 0x80000000U - w : w)) * 1.4629180792671596e-9;
  const double z = x * x;
  return x * (1 + z * (-1.0 / 6 + z * (1.0 / 120 + z * (-1.0 / 5040 + z * (1.0 / 362880 + z * (-1.0 / 39916800 +
         z * (1.0 / 6227020800 + z * (-1.0 / 1307674368000 + z * (1.0 / 355687428096000)))))))));
}

struct Noise {
  static constexpr const char* kName = "noise";
  static constexpr int kArguments = 2, kResults = 1, kWorkspaces = 0, kScratches = 0;
  static constexpr bool kLanes = false, kWide = false;

  static constexpr int kWords = 4, kAbreast = 16, kGroup = kWords * kAbreast;

  /// What a row's samples are made from: seed, normal or uniform, and the row's stream.
  struct Source {
    std::uint64_t seed, stream;
    bool normal;

    /// Samples j, 16 + j, 32 + j and 48 + j of a group of 64, and the W - 1 beside each.
    template <int W, class Real>
    DSP_HD void samples(std::int64_t group, int first, Real (&r)[kWords][W]) const {
      std::uint32_t c[kWords][W];
      const std::uint64_t counter = std::uint64_t(group) * kAbreast + std::uint64_t(first);
      for (int j = 0; j < W; ++j) {
        c[0][j] = std::uint32_t(counter) + std::uint32_t(j);
        c[1][j] = std::uint32_t(counter >> 32);
        c[2][j] = std::uint32_t(stream);
        c[3][j] = std::uint32_t(stream >> 32);
      }
      philox(c, std::uint32_t(seed), std::uint32_t(seed >> 32));
      if (!normal) {
        for (int w = 0; w < kWords; ++w)
          for (int j = 0; j < W; ++j) r[w][j] = Real(std::int32_t(c[w][j])) * Real(0x1p-31);
        return;
      }
      for (int w = 0; w < kWords; w += 2) {
        double size[W];
        for (int j = 0; j < W; ++j) size[j] = -2 * logarithm((double(c[w][j]) + 0.5) * 0x1p-32);
        for (int j = 0; j < W; ++j) size[j] = std::sqrt(size[j]);
        for (int j = 0; j < W; ++j) r[w][j] = Real(size[j] * sine_of_word(c[w + 1][j] + 0x40000000U));
        for (int j = 0; j < W; ++j) r[w + 1][j] = Real(size[j] * sine_of_word(c[w + 1][j]));
      }
    }
  };

  /// Arguments level (b, c) and stream (b, c), whole numbers; result y (b, c, t).
  struct Forward {
    static constexpr int kPorts = 3;
    Port level, stream, y;
    Attrs attrs;  // seed, start, normal, t

#ifdef __CUDACC__
    static constexpr int kGroups = 1;  // one thread a counter of the group
#else
    static constexpr int kGroups = 64;
#endif
    std::int64_t groups() const {
      const std::int64_t start = attrs.value[1], t = attrs.value[3];
      return t > 0 ? (start + t - 1) / kGroup - start / kGroup + 1 : 0;
    }
    DSP_HD std::int64_t segments(std::int64_t count) const { return (count + kGroups - 1) / kGroups; }
#ifdef __CUDACC__
    std::int64_t rows() const { return level.size(0) * level.size(1) * groups() * kAbreast; }
#else
    std::int64_t rows() const { return level.size(0) * level.size(1) * segments(groups()); }
#endif
    std::int64_t work() const { return level.size(0) * level.size(1) * attrs.value[3]; }

    template <class T>
    DSP_HD void run(std::int64_t item, std::int64_t items) const {
      using Real = typename Traits<T>::Real;
      const std::int64_t per_row = items / (level.size(0) * level.size(1)), row = item / per_row;
      const std::int64_t b = row / level.size(1), c = row % level.size(1);
      const std::int64_t start = attrs.value[1], length = attrs.value[3], first = start / kGroup;
      const Source source{std::uint64_t(attrs.value[0]), std::uint64_t(stream.load<double>(b, c)), attrs.value[2] != 0};
      const T gain = level.load<T>(b, c);
      const Series<Real, T> out(y, b, c);
#ifdef __CUDACC__
      const std::int64_t group = first + item % per_row / kAbreast;
      const int j = int(item % kAbreast);
      Real four[kWords][1];
      source.samples(group, j, four);
      for (int w = 0; w < kWords; ++w) {
        const std::int64_t t = group * kGroup + w * kAbreast + j - start;
        if (t >= 0 && t < length) out.put(t, gain * T(four[w][0]));
      }
#else
      for (std::int64_t g = 0; g < kGroups; ++g) {
        const std::int64_t group = first + item % per_row * kGroups + g, t0 = group * kGroup - start;
        if (t0 >= length) return;
        Real words[kWords][kAbreast];
        source.samples(group, 0, words);
        const Real* r = words[0];
        const int begin = int(t0 < 0 ? -t0 : 0), end = int(length - t0 < kGroup ? length - t0 : kGroup);
        if (std::is_arithmetic_v<T> && out.value_step == 1) {
          for (int m = begin; m < end; ++m) out.value[t0 + m] = primal(gain) * r[m];
        } else {
          for (int m = begin; m < end; ++m) out.put(t0 + m, gain * T(r[m]));
        }
      }
#endif
    }
  };

  /// The level's gradient is the sum of the noise times that of the result; streams have none.
  struct Backward {
    static constexpr int kPorts = 5;
    Port level, stream, gy, glevel, gstream;
    Attrs attrs;

    std::int64_t rows() const { return level.size(0) * level.size(1); }
    std::int64_t work() const { return rows() * attrs.value[3]; }

    template <class T>
    DSP_HD void run(std::int64_t row, std::int64_t) const {
      using Real = typename Traits<T>::Real;
      using Wide = typename Traits<T>::Double;
      const std::int64_t b = row / level.size(1), c = row % level.size(1);
      const std::int64_t start = attrs.value[1], length = attrs.value[3];
      const Source source{std::uint64_t(attrs.value[0]), std::uint64_t(stream.load<double>(b, c)), attrs.value[2] != 0};
      const Series<Real, T> g(gy, b, c);
      Wide sum(0);
      for (std::int64_t t = 0; t < length;) {
        const std::int64_t group = (start + t) / kGroup, t0 = group * kGroup - start;
        Real words[kWords][kAbreast];
        source.samples(group, 0, words);
        const Real* r = words[0];
        for (; t < length && t < t0 + kGroup; ++t) sum += cast<Wide>(g[t]) * Wide(double(r[t - t0]));
      }
      glevel.store(cast<T>(sum), b, c);
      gstream.store(Wide(0), b, c);
    }
  };
};

const Register<Noise> kNoise;

}  // namespace
}  // namespace dsp
