// Impulse responses that a chain makes for its sample rate when it is made: recordings brought to the rate,
// and the noises of dspcore/effects, number for number as Python makes them.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "plugin/fourier.hpp"

namespace dsp::plugin {
namespace {

/// I_0, the modified Bessel function.
inline double bessel(double x) {
  double term = 1.0, sum = 1.0;
  for (int k = 1; term > 1e-17 * sum; ++k) {
    term *= (x / (2 * k)) * (x / (2 * k));
    sum += term;
  }
  return sum;
}

/// A recording of `length` samples at another rate, as scipy.signal.resample_poly does it with its own
/// window, times the ratio of the rates, so that an impulse response keeps its gain.
template <class T>
std::vector<double> resampled(const T* x, std::int64_t length, std::int64_t from, std::int64_t to) {
  const std::int64_t shared = std::gcd(from, to), up = to / shared, down = from / shared;
  if (up == down) return std::vector<double>(x, x + length);
  const std::int64_t widest = std::max(up, down), reach = 10 * widest;
  std::vector<double> filter(std::size_t(2 * reach + 1));
  double total = 0;
  for (std::int64_t i = -reach; i <= reach; ++i) {
    const double place = double(i) / double(widest), edge = double(i) / double(reach);
    const double sinc = i ? std::sin(0.5 * kTurn * place) / (0.5 * kTurn * place) : 1.0;
    total += filter[std::size_t(i + reach)] = sinc * bessel(5.0 * std::sqrt(std::max(0.0, 1.0 - edge * edge)));
  }
  for (double& tap : filter) tap *= double(down) / total;  // times up for the zeros between, times down / up
  std::vector<double> y(std::size_t((length * up + down - 1) / down));
  for (std::int64_t m = 0; m < std::int64_t(y.size()); ++m) {
    const std::int64_t centre = m * down;
    const std::int64_t first = std::max<std::int64_t>(0, (centre - reach + up - 1) / up);
    const std::int64_t last = std::min(length - 1, (centre + reach) / up);
    double sum = 0;
    for (std::int64_t i = first; i <= last; ++i) sum += double(x[i]) * filter[std::size_t(centre - i * up + reach)];
    y[std::size_t(m)] = sum;
  }
  return y;
}

/// The same for (c, n), with channels one after the other.
template <class T>
std::vector<double> recording(const T* x, std::int64_t channels, std::int64_t length, std::int64_t from, std::int64_t to) {
  std::vector<double> all;
  for (std::int64_t c = 0; c < channels; ++c) {
    const std::vector<double> one = resampled(x + c * length, length, from, to);
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

/// As much of a table as there is room for.
template <class T>
void fill_from(T* to, std::int64_t room, const std::vector<double>& table) {
  for (std::int64_t i = 0; i < room; ++i) to[i] = i < std::int64_t(table.size()) ? T(table[std::size_t(i)]) : T(0);
}

/// torch.randn of seed 0 in float64 (ATen's normal_fill: Box and Muller's pairs in groups of 16).
inline std::vector<double> normal_noise(std::int64_t count) {
  std::mt19937 engine(0);
  std::vector<double> x(std::size_t(std::max<std::int64_t>(count, 16)));
  const auto uniform = [&] {
    const std::uint64_t high = engine(), low = engine();
    return double(((high << 32) | low) & ((std::uint64_t(1) << 53) - 1)) / 9007199254740992.0;
  };
  const auto pairs = [](double* group) {
    for (int j = 0; j < 8; ++j) {
      const double radius = std::sqrt(-2.0 * std::log1p(-group[j])), angle = kTurn * group[j + 8];
      group[j] = radius * std::cos(angle);
      group[j + 8] = radius * std::sin(angle);
    }
  };
  for (double& value : x) value = uniform();
  std::int64_t i = 0;
  for (; i + 16 <= count; i += 16) pairs(&x[std::size_t(i)]);
  if (i < count) {
    double* const last = &x[std::size_t(count - 16)];
    for (int j = 0; j < 16; ++j) last[j] = uniform();
    pairs(last);
  }
  return x;
}

/// Noise that falls by 60 dB in half a second, two lines of unit energy: `decaying_noise` of
/// dspcore/effects/convolution_reverb.py.
inline std::vector<double> decaying_noise(double rate) {
  const std::int64_t n = std::int64_t(std::nearbyint(0.5 * rate));
  std::vector<double> x = normal_noise(2 * n);
  for (int c = 0; c < 2; ++c) {
    double* const line = &x[std::size_t(c * n)];
    double energy = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      line[i] *= std::pow(10.0, -3.0 * double(i) / double(n));
      energy += line[i] * line[i];
    }
    for (std::int64_t i = 0; i < n; ++i) line[i] /= std::sqrt(energy);
  }
  return x;
}

/// Transforms of any length, by convolution with a chirp.
///
/// Source: L. Bluestein, "A Linear Filtering Approach to the Computation of Discrete Fourier Transform", 1970.
struct AnyFourier {
  std::int64_t length;
  Fourier fourier;
  std::vector<Complex> turns, chirp, response, work;

  explicit AnyFourier(std::int64_t n) : length(n) {
    fourier.size = 1;
    while (fourier.size < 2 * n) fourier.size *= 2;
    turns.resize(std::size_t(fourier.size / 2 + 1));
    fourier.turns = turns.data();
    fourier.fill_in();
    chirp.resize(std::size_t(n));
    response.assign(std::size_t(fourier.size), Complex{0, 0});
    for (std::int64_t i = 0; i < n; ++i) {
      const double angle = 0.5 * kTurn * double(i * i % (2 * n)) / double(n);
      chirp[std::size_t(i)] = {std::cos(angle), -std::sin(angle)};
      response[std::size_t(i)] = conj(chirp[std::size_t(i)]);
      if (i) response[std::size_t(fourier.size - i)] = response[std::size_t(i)];
    }
    fourier.forward(response.data());
  }
  void forward(std::vector<Complex>& x) {
    work.assign(std::size_t(fourier.size), Complex{0, 0});
    for (std::size_t i = 0; i < std::size_t(length); ++i) work[i] = x[i] * chirp[i];
    fourier.forward(work.data());
    for (std::size_t i = 0; i < work.size(); ++i) work[i] = work[i] * response[i];
    fourier.backward(work.data());
    for (std::size_t i = 0; i < std::size_t(length); ++i)
      x[i] = (1.0 / double(fourier.size)) * (work[i] * chirp[i]);
  }
};

/// White noise cut into octaves, (7, 2, n): `octaves` of dspcore/effects/noise_reverb.py.
inline std::vector<double> octaves(double rate, std::int64_t n) {
  constexpr int kBands = 7;
  const std::vector<double> noise = normal_noise(2 * n);
  AnyFourier fourier(n);
  std::vector<Complex> spectrum(static_cast<std::size_t>(n)), band;
  for (std::int64_t i = 0; i < n; ++i)  // both channels at once, as real and imaginary parts
    spectrum[std::size_t(i)] = (1.0 / std::sqrt(rate)) * Complex{noise[std::size_t(i)], noise[std::size_t(n + i)]};
  fourier.forward(spectrum);
  const auto above = [&](int edge, double hz) {  // how much of the power lies above an edge
    if (edge < 0) return 1.0;
    if (edge >= kBands - 1) return 0.0;
    const double centre = 0.5 * (std::log2(125.0 * double(1 << edge)) + std::log2(125.0 * double(2 << edge)));
    const double ramp = std::clamp((std::log2(std::max(hz, 1.0)) - centre) * 3 + 0.5, 0.0, 1.0);
    const double part = std::sin(ramp * 0.25 * kTurn);
    return part * part;
  };
  std::vector<double> made(std::size_t(kBands * 2 * n));
  const std::int64_t fade = std::max<std::int64_t>(1, n / 50);
  for (int k = 0; k < kBands; ++k) {
    band.resize(std::size_t(n));
    for (std::int64_t i = 0; i < n; ++i) {
      const double hz = double(std::min(i, n - i)) / (double(n) / rate);
      const double power = std::max(0.0, above(k - 1, hz) - above(k, hz));
      band[std::size_t(i)] = conj(std::sqrt(power) * spectrum[std::size_t(i)]);
    }
    fourier.forward(band);
    for (std::int64_t i = 0; i < n; ++i) {
      const Complex value = (1.0 / double(n)) * conj(band[std::size_t(i)]);
      double share = 1.0;
      if (i >= n - fade) {
        const double angle = fade > 1 ? 0.25 * kTurn * double(i - n + fade) / double(fade - 1) : 0.0;
        share = std::cos(angle) * std::cos(angle);
      }
      made[std::size_t((k * 2) * n + i)] = share * value.re;
      made[std::size_t((k * 2 + 1) * n + i)] = share * value.im;
    }
  }
  return made;
}

}  // namespace
}  // namespace dsp::plugin
