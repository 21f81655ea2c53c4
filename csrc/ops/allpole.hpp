// All-pole filter of any order with coefficients that may move every sample: y[t] = x[t] - sum_i a[i][t]
// y[t-1-i]. The adjoint runs the same recursion backwards in scatter form: what y[t] owes is complete
// when the loop reaches it, and is passed on to the outputs that it was made from (C.-Y. Yu and G.
// Fazekas, "Differentiable Time-Varying Linear Prediction in the Context of End-to-End
// Analysis-by-Synthesis", Interspeech 2024).
#pragma once

#include "dsp/op.hpp"
#include "dsp/tile.hpp"

namespace dsp {
namespace {

struct Allpole {
  static constexpr const char* kName = "allpole";
  static constexpr int kArguments = 3, kResults = 2, kWorkspaces = 1, kScratches = 0;
  static constexpr bool kLanes = true, kWide = false;
  static constexpr int kMaxOrder = 128;  // the Python op refuses more
  static constexpr int kStretch = kChunk / 4;  // samples worked on at a time: bounds the scratch

  /// Coefficient i of (b, c, p, n) as a signal (b, c, n).
  static DSP_HD Port plane(const Port& a, int i) {
    Port r = a.from(0, 0, i);
    r.value.stride[2] = r.value.stride[3];
    r.tangent.stride[2] = r.tangent.stride[3];
    return r;
  }

  /// Coefficients of samples [t0, t0 + n), one stretch an order; constant ones are repeated.
  template <class T>
  static DSP_HD void load_coefficients(const Port& a, const Rows& rows, std::int64_t t0, int n, int order, T* c) {
    const bool moving = a.size(3) != 1;
    for (int i = 0; i < order; ++i) {
      const Port signal = plane(a, i);
      if (moving) {
        load_tile(signal, rows, t0, n, c + i * kStretch);
      } else if (t0 == 0 || n < 0) {
        T constant;
        load_tile(signal, rows, 0, 1, &constant);
        for (int s = 0; s < kStretch; ++s) c[i * kStretch + s] = constant;
      }
    }
  }

  /// Arguments x, a, state; results y, state after; workspace: state (oldest first) and y in one row.
  struct Forward {
    static constexpr int kPorts = 6;
    Port x, a, state, y, state_out, past;

    std::int64_t rows() const { return x.size(0) * x.size(1); }
    std::int64_t work() const { return rows() * x.size(2) * (1 + a.size(2)); }

    template <class T>
    DSP_HD void run(std::int64_t first, std::int64_t count) const {
      const Rows rows{first, count, x.size(1)};
      const int order = int(a.size(2));
      const std::int64_t length = x.size(2);
      T c[kMaxOrder * kStretch], h[kMaxOrder + kStretch], tile[kStretch];
      for (int i = 0; i < order; ++i) h[order - 1 - i] = load<T>(state, rows, i);
      keep(rows, 0, order, h);
      for (std::int64_t t0 = 0; t0 < length; t0 += kStretch) {
        const int n = int(length - t0 < kStretch ? length - t0 : kStretch);
        load_coefficients(a, rows, t0, n, order, c);
        load_tile(x, rows, t0, n, tile);
        for (int s = 0; s < n; ++s) {
          T sum = tile[s];
          for (int i = order - 1; i >= 0; --i) sum -= c[i * kStretch + s] * h[order + s - 1 - i];
          h[order + s] = sum;
        }
        store_tile(y, rows, t0, n, h + order);
        keep(rows, order + t0, n, h + order);
        for (int i = 0; i < order; ++i) h[i] = h[i + n];
      }
      for (int i = 0; i < order; ++i) store(state_out, rows, h[order - 1 - i], i);
    }

    template <class T>
    DSP_HD void keep(const Rows& rows, std::int64_t at, int n, const T* h) const {
      if (past.given() || past.tangent.data) store_tile(past, rows, at, n, h);
    }
  };

  struct Backward {
    static constexpr int kPorts = 9;
    Port x, a, state, past, gy, gstate_out, gx, ga, gstate;

    std::int64_t rows() const { return x.size(0) * x.size(1); }
    std::int64_t work() const { return 2 * rows() * x.size(2) * (1 + a.size(2)); }

    template <class T>
    DSP_HD void run(std::int64_t first, std::int64_t count) const {
      using Wide = typename Traits<T>::Double;
      const Rows rows{first, count, x.size(1)};
      const int order = int(a.size(2));
      const std::int64_t length = x.size(2);
      const bool moving = a.size(3) != 1, wanted = ga.given() || ga.tangent.data;
      T c[kMaxOrder * kStretch], h[kMaxOrder + kStretch], owed[kMaxOrder + kStretch], gc[kStretch];
      Wide total[kMaxOrder];
      for (int i = 0; i < order; ++i) {
        owed[kStretch + order - 1 - i] = load<T>(gstate_out, rows, i);
        total[i] = Wide(0);
      }
      const std::int64_t last = length > 0 ? (length - 1) / kStretch * kStretch : -1;
      bool loaded = false;
      for (std::int64_t t0 = last; t0 >= 0; t0 -= kStretch) {
        const int n = int(length - t0 < kStretch ? length - t0 : kStretch);
        if (moving || !loaded) load_coefficients(a, rows, t0, moving ? n : -1, order, c);
        loaded = true;
        load_tile(past, rows, t0, n + order, h);
        // owed[order + s] is the adjoint of y[t0 + s] that later samples have added up so far.
        if (n < kStretch)
          for (int i = 0; i < order; ++i) owed[n + i] = owed[kStretch + i];
        T g[kStretch];
        load_tile(gy, rows, t0, n, g);
        // The first n places before what is owed already are fresh.
        for (int i = 0; i < n; ++i) owed[i] = T(0);
        for (int s = n - 1; s >= 0; --s) {
          g[s] += owed[order + s];
          for (int i = 0; i < order; ++i) owed[order + s - 1 - i] -= c[i * kStretch + s] * g[s];
        }
        store_tile(gx, rows, t0, n, g);
        if (wanted)
          for (int i = 0; i < order; ++i) {
            for (int s = 0; s < n; ++s) gc[s] = -(g[s] * h[order + s - 1 - i]);
            if (moving) {
              store_tile(plane(ga, i), rows, t0, n, gc);
            } else {
              T sum(0);
              for (int s = 0; s < n; ++s) sum += gc[s];
              for (int l = 0; l < Traits<T>::kLanes; ++l)
                set_lane(total[i], l, lane(total[i], l) + cast<typename Traits<Wide>::Scalar>(lane(sum, l)));
            }
          }
        for (int i = order - 1; i >= 0; --i) owed[kStretch + i] = owed[i];
      }
      for (int i = 0; i < order; ++i) {
        store(gstate, rows, owed[kStretch + order - 1 - i], i);
        if (wanted && !moving) store(ga, rows, total[i], i, 0);
      }
    }
  };
};

const Register<Allpole> kAllpole;

}  // namespace
}  // namespace dsp
