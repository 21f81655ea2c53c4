// Direct-form filter of any order with coefficients that may move every sample, as SciPy runs it: each
// sample scatters what it owes to the outputs after it, s[t+i] += b_i[t] x[t] - a_i[t] y[t]. The adjoint
// gathers: what y[t] owes is gy[t] - sum_i a_i[t] g[t+i]. It needs inputs and outputs alone. Computed in
// float64: in float32 a direct form at 20 Hz is 55 dB from the truth. Up to order 32 CUDA divides rows along time.
#pragma once

#include "dsp/op.hpp"
#include "dsp/tile.hpp"
#include "ops/shared/lfilter_step.hpp"

namespace dsp {
namespace {

struct Lfilter {
  static constexpr const char* kName = "lfilter";
  static constexpr int kArguments = 4, kResults = 2, kWorkspaces = 1, kScratches = 0;
  static constexpr bool kLanes = true, kWide = true;
  static constexpr int kMaxOrder = 128;  // the Python op refuses more
  static constexpr int kStretch = kChunk / 4;  // samples worked on at a time: bounds the scratch

  /// Coefficient i of (b, c, p + 1, n) as a signal (b, c, n).
  static DSP_HD Port plane(const Port& c, int i) {
    Port r = c.from(0, 0, i);
    r.value.stride[2] = r.value.stride[3];
    r.tangent.stride[2] = r.tangent.stride[3];
    return r;
  }

  /// One set of coefficients, a stretch at a time: c[i][s]; constant ones are read once.
  template <class T>
  struct Taps {
    T c[(kMaxOrder + 1) * kStretch];
    bool moving, read = false;

    DSP_HD explicit Taps(const Port& port) : moving(port.size(3) != 1) {}
    DSP_HD void at(const Port& port, const Rows& rows, std::int64_t t0, int n) {
      if (read && !moving) return;
      read = true;
      for (int i = 0; i < int(port.size(2)); ++i) {
        load_tile(plane(port, i), rows, moving ? t0 : 0, moving ? n : 1, c + i * kStretch);
        for (int s = 1; s < kStretch && !moving; ++s) c[i * kStretch + s] = c[i * kStretch];
      }
    }
    DSP_HD const T* operator[](int i) const { return c + i * kStretch; }
  };

  /// Arguments x (b, c, t), b and a (b, c, p + 1, n) with a_0 = 1 left unread, state (b, c, p); results y,
  /// state after; workspace: y in the precision of the work.
  struct Forward : LfilterScan<Forward, false> {
    static constexpr int kPorts = 7;
    Port x, b, a, state, y, state_out, kept;

    std::int64_t rows() const { return x.size(0) * x.size(1); }
    std::int64_t work() const { return 2 * rows() * x.size(2) * b.size(2); }

    template <class T>
    DSP_HD void run(std::int64_t first, std::int64_t count) const {
      run_part<T>(first, count, Whole{x.size(2)});
    }
    template <class T, class Part>
    DSP_HD void run_part(std::int64_t first, std::int64_t count, const Part& part) const {
      const Rows rows{first, count, x.size(1)};
      const int order = int(b.size(2)) - 1;
      const std::int64_t length = part.end;
      Taps<T> zeros(b), poles(a);
      T owed[kMaxOrder + kStretch], tile[kStretch];
      for (int i = 0; i < order; ++i) owed[i] = part.first ? load<T>(state, rows, i) : part.template state<T>(0, i);
      for (std::int64_t t0 = part.begin; t0 < length; t0 += kStretch) {
        const int n = int(length - t0 < kStretch ? length - t0 : kStretch);
        zeros.at(b, rows, t0, n);
        poles.at(a, rows, t0, n);
        load_tile(x, rows, t0, n, tile);
        for (int s = 0; s < n; ++s) owed[order + s] = T(0);
        for (int i = 0; i <= order; ++i) {
          const T* tap = zeros[i];
          for (int s = 0; s < n; ++s) owed[i + s] += tap[s] * tile[s];
        }
        for (int s = 0; s < n; ++s) {
          const T out = owed[s];
          for (int i = 1; i <= order; ++i) owed[i + s] -= poles[i][s] * out;
        }
        store_tile(y, rows, t0, n, owed);
        if (kept.given() || kept.tangent.data) store_tile(kept, rows, t0, n, owed);
        for (int i = 0; i < order; ++i) owed[i] = owed[i + n];
      }
      for (int i = 0; part.last && i < order; ++i) store(state_out, rows, owed[i], i);
    }
  };

  struct Backward : LfilterScan<Backward, true> {
    static constexpr int kPorts = 11;
    Port x, b, a, state, kept, gy, gstate_out, gx, gb, ga, gstate;

    std::int64_t rows() const { return x.size(0) * x.size(1); }
    std::int64_t work() const { return 4 * rows() * x.size(2) * b.size(2); }

    template <class T>
    DSP_HD void run(std::int64_t first, std::int64_t count) const {
      run_part<T>(first, count, Whole{x.size(2)});
    }
    template <class T, class Part>
    DSP_HD void run_part(std::int64_t first, std::int64_t count, const Part& part) const {
      const Rows rows{first, count, x.size(1)};
      const int order = int(b.size(2)) - 1;
      const std::int64_t length = part.end;
      const bool b_wanted = gb.given() || gb.tangent.data, a_wanted = ga.given() || ga.tangent.data;
      Taps<T> zeros(b), poles(a);
      // g[s] is what y[t0 + s] owes; past the stretch, what the samples after it owe.
      T g[kMaxOrder + kStretch], in[kStretch], out[kStretch], tile[kStretch];
      T b_total[kMaxOrder + 1], a_total[kMaxOrder + 1];
      for (int i = 0; i < order; ++i) g[i] = part.last ? load<T>(gstate_out, rows, i) : part.template state<T>(0, i);
      for (int i = 0; i <= order; ++i) b_total[i] = a_total[i] = T(0);
      const std::int64_t last = length > 0 ? (length - 1) / kStretch * kStretch : -1;
      for (std::int64_t t0 = last; t0 >= part.begin; t0 -= kStretch) {
        const int n = int(length - t0 < kStretch ? length - t0 : kStretch);
        zeros.at(b, rows, t0, n);
        poles.at(a, rows, t0, n);
        load_tile(x, rows, t0, n, in);
        load_tile(kept, rows, t0, n, out);
        load_tile(gy, rows, t0, n, tile);
        for (int i = order - 1; i >= 0; --i) g[i + n] = g[i];
        for (int s = n - 1; s >= 0; --s) {
          T sum = tile[s];
          for (int i = order; i >= 1; --i) sum -= poles[i][s] * g[i + s];
          g[s] = sum;
        }
        for (int s = 0; s < n; ++s) tile[s] = T(0);
        for (int i = 0; i <= order; ++i) {
          const T* tap = zeros[i];
          for (int s = 0; s < n; ++s) tile[s] += tap[s] * g[i + s];
        }
        store_tile(gx, rows, t0, n, tile);
        if (b_wanted) gradient(gb, zeros.moving, 0, order, rows, t0, n, in, g, b_total, T(1));
        if (a_wanted) gradient(ga, poles.moving, 1, order, rows, t0, n, out, g, a_total, T(-1));
      }
      for (int i = 0; part.first && i < order; ++i) store(gstate, rows, g[i], i);
      for (int i = 0; !part.whole && i <= order; ++i) {
        part.add_up(0, i, b_total[i]);
        part.add_up(0, order + 1 + i, a_total[i]);
      }
      for (int i = 0; part.whole && i <= order; ++i) {
        if (!zeros.moving) store(gb, rows, b_total[i], i, 0);
        if (!poles.moving) store(ga, rows, a_total[i], i, 0);
      }
    }

    /// Adjoint of coefficients from `from` on: sign u[t] g[t + i], to their planes or their totals.
    template <class T>
    static DSP_HD void gradient(const Port& to, bool moving, int from, int order, const Rows& rows, std::int64_t t0,
                                int n, const T* u, const T* g, T* total, const T& sign) {
      T tile[kStretch];
      for (int i = 0; i <= order; ++i) {
        for (int s = 0; s < n; ++s) tile[s] = i < from ? T(0) : sign * u[s] * g[i + s];
        if (moving) {
          store_tile(plane(to, i), rows, t0, n, tile);
        } else {
          T sum(0);
          for (int s = 0; s < n; ++s) sum += tile[s];
          total[i] += sum;
        }
      }
    }
  };
};

const Register<Lfilter> kLfilter;

}  // namespace
}  // namespace dsp
