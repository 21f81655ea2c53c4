// The driver of every op that is a chain of small recursions over one signal: y[t], s[t+1] = step(c[t],
// s[t], x[t]). The functor `Op` gives the step of one stage and its adjoint; the driver owns rows,
// lanes, tiles, the states kept for the backward pass, constant and moving parameters, and the chain
// rule from coefficients back to parameters.
//
//   struct Op {
//     static constexpr const char* kName;
//     static constexpr int kParams, kCoefs, kState;   // of one stage
//     static constexpr bool kWide;                    // compute float32 audio in float64
//     template <class S> static DSP_HD void prepare(const S* params, S* coefs);
//     template <class T> static DSP_HD T step(const T* c, T* s, T x);
//     // State and input before the step, adjoint gs of the state after it: turns gs into the adjoint
//     // of the state before, adds to gc, returns the adjoint of x.
//     template <class T> static DSP_HD T adjoint(const T* c, const T* s, T x, T gy, T* gs, T* gc);
//   };
//
// The adjoint of y = f(x) is the transposed Jacobian; run on dual numbers it is the second derivative.
// Parameters are float64 (b, c, stages, kParams, n) with n = 1 for constant ones or one per sample.
#pragma once

#include "dsp/op.hpp"
#include "dsp/tile.hpp"

namespace dsp {
namespace {

/// Stages that one call can run: bounds the scratch of a thread. The Python op splits longer cascades.
constexpr int kMaxStages = 8;

template <class Op>
struct Recursion {
  static constexpr const char* kName = Op::kName;
  static constexpr int kArguments = 3, kResults = 2, kWorkspaces = 1, kScratches = 0;
  static constexpr bool kLanes = true, kWide = Op::kWide;
  static constexpr int P = Op::kParams, C = Op::kCoefs, S = Op::kState;

  /// Coefficients of stage k at sample t, for all lanes. Prepared in float64 whatever the audio is.
  template <class T>
  static DSP_HD void coefficients(const Port& params, const Rows& rows, int k, std::int64_t t, T* c) {
    using Wide = typename Traits<typename Traits<T>::Double>::Scalar;
    for (int l = 0; l < Traits<T>::kLanes; ++l) {
      Wide p[P], prepared[C];
      const Port row = params.from(rows.item(l), rows.channel(l), k);
      for (int i = 0; i < P; ++i) p[i] = row.template load<Wide>(0, 0, 0, i, t);
      Op::prepare(p, prepared);
      for (int i = 0; i < C; ++i) set_lane(c[i], l, cast<typename Traits<T>::Scalar>(prepared[i]));
    }
  }

  /// Adjoint of `coefficients`: the parameters' gradient from that of the coefficients.
  template <class Wide>
  static DSP_HD void parameter_gradient(const Port& params, const Port& gradient, const Rows& rows,
                                        int k, std::int64_t t, const Wide* gc) {
    using Number = typename Traits<Wide>::Scalar;
    for (int l = 0; l < Traits<Wide>::kLanes; ++l) {
      Dual<Number, P> p[P], prepared[C];
      const Port row = params.from(rows.item(l), rows.channel(l), k);
      for (int i = 0; i < P; ++i) {
        p[i].v = row.template load<Number>(0, 0, 0, i, t);
        p[i].d[i] = Number(1);
      }
      Op::prepare(p, prepared);
      const Port out = gradient.from(rows.item(l), rows.channel(l), k);
      for (int i = 0; i < P; ++i) {
        Number sum(0);
        for (int j = 0; j < C; ++j) sum += prepared[j].d[i] * lane(gc[j], l);
        out.store(sum, 0, 0, 0, i, t);
      }
    }
  }

  /// Arguments x, params, state; results y, state after; workspace: the state at every chunk's start,
  /// (b, c, chunks, stages, S), when the backward pass will want it.
  struct Forward {
    static constexpr int kPorts = 6;
    Port x, params, state, y, state_out, kept;

    std::int64_t rows() const { return x.size(0) * x.size(1); }
    std::int64_t work() const { return rows() * x.size(2) * params.size(2); }

    template <class T>
    DSP_HD void run(std::int64_t first, std::int64_t count) const {
      const Rows rows{first, count, x.size(1)};
      const int stages = int(params.size(2));
      const std::int64_t length = x.size(2);
      const bool moving = params.size(4) != 1;
      T s[kMaxStages][S], c[kMaxStages][C], tile[kChunk];
      for (int k = 0; k < stages; ++k) {
        for (int i = 0; i < S; ++i) s[k][i] = load<T>(state, rows, k, i);
        if (!moving) coefficients(params, rows, k, 0, c[k]);
      }
      for (std::int64_t t0 = 0; t0 < length; t0 += kChunk) {
        const int n = int(length - t0 < kChunk ? length - t0 : kChunk);
        load_tile(x, rows, t0, n, tile);
        for (int k = 0; k < stages; ++k) {
          if (kept.given() || kept.tangent.data)
            for (int i = 0; i < S; ++i) store(kept, rows, s[k][i], t0 / kChunk, k, i);
          T own[S];
          for (int i = 0; i < S; ++i) own[i] = s[k][i];
          if (moving) {
            for (int i = 0; i < n; ++i) {
              coefficients(params, rows, k, t0 + i, c[k]);
              tile[i] = Op::step(c[k], own, tile[i]);
            }
          } else {
            T fixed[C];
            for (int i = 0; i < C; ++i) fixed[i] = c[k][i];
            for (int i = 0; i < n; ++i) tile[i] = Op::step(fixed, own, tile[i]);
          }
          for (int i = 0; i < S; ++i) s[k][i] = own[i];
        }
        store_tile(y, rows, t0, n, tile);
      }
      for (int k = 0; k < stages; ++k)
        for (int i = 0; i < S; ++i) store(state_out, rows, s[k][i], k, i);
    }
  };

  struct Backward {
    Port x, params, state, kept, gy, gstate_out, gx, gparams, gstate;
    static constexpr int kPorts = 9;

    std::int64_t rows() const { return x.size(0) * x.size(1); }
    std::int64_t work() const { return 2 * rows() * x.size(2) * params.size(2); }

    template <class T>
    DSP_HD void run(std::int64_t first, std::int64_t count) const {
      using Wide = typename Traits<T>::Double;
      const Rows rows{first, count, x.size(1)};
      const int stages = int(params.size(2));
      const std::int64_t length = x.size(2);
      const bool moving = params.size(4) != 1;
      T c[kMaxStages][C], gs[kMaxStages][S];
      Wide total[kMaxStages][C];
      T inputs[kMaxStages][kChunk], states[kMaxStages][kChunk][S], g[kChunk];
      for (int k = 0; k < stages; ++k) {
        for (int i = 0; i < S; ++i) gs[k][i] = load<T>(gstate_out, rows, k, i);
        for (int i = 0; i < C; ++i) total[k][i] = Wide(0);
        if (!moving) coefficients(params, rows, k, 0, c[k]);
      }
      const std::int64_t last = length > 0 ? (length - 1) / kChunk * kChunk : -1;
      for (std::int64_t t0 = last; t0 >= 0; t0 -= kChunk) {
        const int n = int(length - t0 < kChunk ? length - t0 : kChunk);
        load_tile(x, rows, t0, n, inputs[0]);
        for (int k = 0; k < stages; ++k) {
          T own[S];
          for (int i = 0; i < S; ++i) own[i] = load<T>(kept, rows, t0 / kChunk, k, i);
          T* next = k + 1 < stages ? inputs[k + 1] : g;  // the last stage's output is not needed
          for (int i = 0; i < n; ++i) {
            if (moving) coefficients(params, rows, k, t0 + i, c[k]);
            for (int j = 0; j < S; ++j) states[k][i][j] = own[j];
            next[i] = Op::step(c[k], own, inputs[k][i]);
          }
        }
        load_tile(gy, rows, t0, n, g);
        for (int k = stages - 1; k >= 0; --k) {
          T own[S], gc[C];
          for (int i = 0; i < S; ++i) own[i] = gs[k][i];
          for (int i = 0; i < C; ++i) gc[i] = T(0);
          for (int i = n - 1; i >= 0; --i) {
            if (moving) {
              coefficients(params, rows, k, t0 + i, c[k]);
              for (int j = 0; j < C; ++j) gc[j] = T(0);
            }
            g[i] = Op::adjoint(c[k], states[k][i], inputs[k][i], g[i], own, gc);
            if (moving && gparams_wanted()) {
              Wide wide[C];
              for (int j = 0; j < C; ++j) widen(gc[j], wide[j]);
              parameter_gradient(params, gparams, rows, k, t0 + i, wide);
            }
          }
          for (int i = 0; i < S; ++i) gs[k][i] = own[i];
          for (int i = 0; i < C; ++i) {
            Wide wide;
            widen(gc[i], wide);
            total[k][i] += wide;
          }
        }
        store_tile(gx, rows, t0, n, g);
      }
      for (int k = 0; k < stages; ++k) {
        for (int i = 0; i < S; ++i) store(gstate, rows, gs[k][i], k, i);
        if (!moving && gparams_wanted()) parameter_gradient(params, gparams, rows, k, 0, total[k]);
      }
    }

    DSP_HD bool gparams_wanted() const { return gparams.given() || gparams.tangent.data; }

    template <class T>
    static DSP_HD void widen(const T& x, typename Traits<T>::Double& r) {
      for (int l = 0; l < Traits<T>::kLanes; ++l)
        set_lane(r, l, cast<typename Traits<typename Traits<T>::Double>::Scalar>(lane(x, l)));
    }
  };
};

}  // namespace
}  // namespace dsp
