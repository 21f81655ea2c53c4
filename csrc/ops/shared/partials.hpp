// A bank of partials in float32 with controls per frame: partials lie on the lanes, so that only the output
// is summed across them. A frame is taken in stretches of 32 samples, whose phases are whole numbers of
// 2^-32 turns from a float64 phase on; what a stretch owes to the controls follows from a few moments.
#pragma once

#include "ops/shared/frames.hpp"
#include "ops/shared/turns.hpp"

#ifndef __CUDACC__
namespace dsp {
namespace {

/// With m^2/2 steps of a rise rounded to 2^-33 turns, the phase within a stretch is within 2^-24 turns.
constexpr int kStretch = 32;

struct Powers {
  float value[4][kStretch];

  constexpr Powers() : value() {
    for (int m = 0; m < kStretch; ++m)
      for (int j = 0; j < 4; ++j) value[j][m] = j == 0 ? 1.0f : value[j - 1][m] * float(m);
  }
};

/// Of a pack of partials, what a stretch of samples and the gradient of its outputs, g, sum up to:
/// sum of g sin m^j, j = 0, 1, and of g cos m^j, j = 0 ... 3.
struct Moments {
  float sine[2][kFloats], cosine[4][kFloats];

  Moments(Turns phase, Turns step, Turns rise, const float* g, int n) {
    static constexpr Powers kPowers;
    Floats s0(0.0f), s1(0.0f), c0(0.0f), c1(0.0f), c2(0.0f), c3(0.0f);
    for (int m = 0; m < n; ++m) {
      Floats s, c;
      sines(phase, s, c);
      phase += step;
      step += rise;
      const Floats own(g[m]), around = own * c, along = own * s;
      s0 += along;
      s1 += along * Floats(kPowers.value[1][m]);
      c0 += around;
      c1 += around * Floats(kPowers.value[1][m]);
      c2 += around * Floats(kPowers.value[2][m]);
      c3 += around * Floats(kPowers.value[3][m]);
    }
    s0.to(sine[0]);
    s1.to(sine[1]);
    c0.to(cosine[0]);
    c1.to(cosine[1]);
    c2.to(cosine[2]);
    c3.to(cosine[3]);
  }
};

/// The output of a row; `bank` has the op's ports and attributes.
template <class Bank>
void frame_rate_sum(const Bank& bank, std::int64_t row) {
  const FrameGrid grid(bank.attrs, bank.frequencies.size(2));
  const std::int64_t partials = bank.frequencies.size(1);
  const double hop = double(grid.hop);
  const Series<double, double> last(bank.phase_out, row);
  const Series<float, float> out(bank.y, row);
  for (std::int64_t t = 0; t < grid.length;) {
    const std::int64_t i = grid.frame(t), j = grid.next(i), left = grid.begin(i + 1) - t;
    const int n = int(left < kStretch ? left : kStretch);
    const double u = grid.place(i, t), ramp = n * (u + 0.5 * (n - 1)) / hop;
    Floats sum[kStretch];
    for (int m = 0; m < n; ++m) sum[m] = Floats(0.0f);
    for (std::int64_t k0 = 0; k0 < partials; k0 += kFloats) {
      const int lanes = int(partials - k0 < kFloats ? partials - k0 : kFloats);
      std::uint32_t at[kFloats] = {}, step[kFloats] = {}, more[kFloats] = {};
      float begin[kFloats] = {}, bend[kFloats] = {}, sick[kFloats] = {};
      for (int l = 0; l < lanes; ++l) {
        const Series<double, double> f(bank.frequencies, row, k0 + l);
        const Series<float, float> a(bank.amplitudes, row, k0 + l);
        const double p = last[k0 + l], f0 = f[i], rise = f[j] - f0;
        const float a0 = a[i], slope = (a[j] - a0) / float(hop);
        at[l] = rounded(p);
        step[l] = rounded(f0 + rise * (u / hop));
        more[l] = rounded(rise / hop);
        begin[l] = a0 + slope * float(u);
        bend[l] = slope;
        sick[l] = float((p + f0 + rise) * 0.0);
        last.put(k0 + l, wrap(p + f0 * n + rise * ramp));
      }
      Turns phase, d, dd;
      std::memcpy(&phase, at, sizeof phase);
      std::memcpy(&d, step, sizeof d);
      std::memcpy(&dd, more, sizeof dd);
      const Floats level = Floats::at(begin), lift = Floats::at(bend), lost = Floats::at(sick);
      for (int m = 0; m < n; ++m) {
        Floats s, c;
        sines(phase, s, c);
        phase += d;
        d += dd;
        sum[m] += (level + lift * Floats(float(m))) * s + lost;
      }
    }
    for (int m = 0; m < n; ++m) out.put(t + m, total(sum[m]));
    t += n;
  }
}

/// The gradients of kFloats partials of a row, from k0 on; `bank` has the op's ports and attributes.
template <class Bank>
void frame_rate_back(const Bank& bank, std::int64_t row, std::int64_t k0) {
  const FrameGrid grid(bank.attrs, bank.frequencies.size(2));
  const int lanes = int(bank.frequencies.size(1) - k0 < kFloats ? bank.frequencies.size(1) - k0 : kFloats);
  const double hop = double(grid.hop);
  const Series<float, float> gout(bank.gy, row), a(bank.amplitudes, row, k0), ga(bank.gamplitudes, row, k0);
  const Series<double, double> f(bank.frequencies, row, k0), gf(bank.gfrequencies, row, k0);
  const std::int64_t a_row = bank.amplitudes.value.stride[1], ga_row = bank.gamplitudes.value.stride[1];
  const std::int64_t f_row = bank.frequencies.value.stride[1], gf_row = bank.gfrequencies.value.stride[1];
  const auto add = [&](auto* to, std::int64_t to_row, std::int64_t step, std::int64_t i, const double* x) {
    if (!to) return;
    for (int l = 0; l < lanes; ++l) to[l * to_row + i * step] += std::remove_reference_t<decltype(*to)>(x[l]);
  };
  double p[kFloats] = {}, gp[kFloats] = {}, sick[kFloats] = {};
  for (int l = 0; l < lanes; ++l) {
    p[l] = bank.after.template load<double>(row, k0 + l);
    gp[l] = bank.gphase_out.template load<double>(row, k0 + l);
    sick[l] = p[l] * 0.0;
    for (std::int64_t i = 0; i < grid.frames; ++i) {
      if (gf.value) gf.value[l * gf_row + i * gf.value_step] = 0.0;
      if (ga.value) ga.value[l * ga_row + i * ga.value_step] = 0.0f;
    }
  }
  const std::int64_t first = grid.frame(0), last = grid.length > 0 ? grid.frame(grid.length - 1) : first - 1;
  for (std::int64_t i = last; i >= first; --i) {
    const std::int64_t j = grid.next(i), begin = grid.begin(i);
    double f0[kFloats] = {}, rise[kFloats] = {}, a0[kFloats] = {}, slope[kFloats] = {};
    for (int l = 0; l < lanes; ++l) {
      f0[l] = f.value[l * f_row + i * f.value_step];
      rise[l] = f.value[l * f_row + j * f.value_step] - f0[l];
      a0[l] = double(a.value[l * a_row + i * a.value_step]);
      slope[l] = double(a.value[l * a_row + j * a.value_step]) - a0[l];
    }
    // What the frame owes to the values at its start and to their rise to the next.
    double to_f[kFloats] = {}, to_rise[kFloats] = {}, to_a[kFloats] = {}, to_slope[kFloats] = {};
    for (std::int64_t e = grid.begin(i + 1); e > begin;) {
      const int n = int(e - begin < kStretch ? e - begin : kStretch);
      e -= n;
      const double u = grid.place(i, e), ramp = n * (u + 0.5 * (n - 1)) / hop;
      float g[kStretch];
      gout.copy(e, n, g);
      std::uint32_t at[kFloats], step[kFloats], more[kFloats];
      for (int l = 0; l < kFloats; ++l) {
        p[l] -= f0[l] * n + rise[l] * ramp;
        at[l] = rounded(p[l]);
        step[l] = rounded(f0[l] + rise[l] * (u / hop));
        more[l] = rounded(rise[l] / hop);
      }
      Turns phase, d, dd;
      std::memcpy(&phase, at, sizeof phase);
      std::memcpy(&d, step, sizeof d);
      std::memcpy(&dd, more, sizeof dd);
      const Moments sums(phase, d, dd, g, n);
      for (int l = 0; l < kFloats; ++l) {
        const double s0 = double(sums.sine[0][l]), s1 = double(sums.sine[1][l]), bend = slope[l] / hop;
        const double level = (a0[l] + bend * u) * 6.283185307179586, lift = bend * 6.283185307179586;
        // Sums of 2 pi a g cos m^j: what the phases owe, to them and to what they came from.
        const double t0 = level * double(sums.cosine[0][l]) + lift * double(sums.cosine[1][l]) + sick[l];
        const double t1 = level * double(sums.cosine[1][l]) + lift * double(sums.cosine[2][l]);
        const double t2 = level * double(sums.cosine[2][l]) + lift * double(sums.cosine[3][l]);
        to_a[l] += s0 + sick[l];
        to_slope[l] += (u * s0 + s1) / hop;
        to_f[l] += t1 + gp[l] * n;
        to_rise[l] += ((u - 0.5) * t1 + 0.5 * t2) / hop + gp[l] * ramp;
        gp[l] += t0;
      }
    }
    for (int l = 0; l < kFloats; ++l) {
      to_f[l] -= to_rise[l];
      to_a[l] -= to_slope[l];
    }
    add(gf.value, gf_row, gf.value_step, i, to_f);
    add(gf.value, gf_row, gf.value_step, j, to_rise);
    add(ga.value, ga_row, ga.value_step, i, to_a);
    add(ga.value, ga_row, ga.value_step, j, to_slope);
  }
  for (int l = 0; l < lanes; ++l) bank.gphase.store(gp[l], row, k0 + l);
}

/// The gradients of a row.
template <class Bank>
void frame_rate_back(const Bank& bank, std::int64_t row) {
  for (std::int64_t k = 0; k < bank.frequencies.size(1); k += kFloats) frame_rate_back(bank, row, k);
}

}  // namespace
}  // namespace dsp
#endif
