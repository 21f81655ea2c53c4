// The driver of one small recursion whose parameters move: y[t], s[t+1] = step(c[t], s[t], x[t]), c[t] =
// prepare(p[t]). Unlike `Recursion`, which prepares coefficients row by row for a cascade, it has one
// stage, each parameter is a port (b, c, n) of its own with n = 1 for a constant or one per sample, in
// the type it came in, and coefficients are prepared with rows on the lanes, apart from the recursion.
//
//   struct Op {
//     static constexpr const char* kName;
//     static constexpr int kParams, kCoefs, kState;
//     static constexpr bool kWide;
//     static constexpr bool kLinear;         // true in state and input: on CUDA one row can use all threads; left out where it is not
//     static constexpr bool kReplays = true; // where it is not: on CUDA one row's adjoint can
//     static constexpr bool kSettles = true; // and forwards by Newton's method (dsp/settle.hpp)
//     template <class S> static DSP_HD void prepare(const S* params, S* coefs);  // no branches
//     // Where duals of many parameters would be slow: the parameters' adjoint from the coefficients'.
//     template <class S> static DSP_HD void unprepare(const S* params, const S* gc, S* gp);
//     step and adjoint as in dsp/recursion.hpp; where kState is the most states of a variable number,
//     `static constexpr bool kVariable = true`, both get the number of states as their last argument
//   };
#pragma once

#include "dsp/op.hpp"
#include "dsp/parameters.hpp"
#include "dsp/tile.hpp"

namespace dsp {
namespace {

template <class Op>
struct Modulated {
  static constexpr const char* kName = Op::kName;
  static constexpr int P = Op::kParams, C = Op::kCoefs, S = Op::kState;
  static constexpr int kArguments = 2 + P, kResults = 2, kWorkspaces = 1, kScratches = 0;
  static constexpr bool kLanes = true, kWide = Op::kWide;

  static constexpr bool kVariable = requires { Op::kVariable; };
  static constexpr bool kScans = [] {
    if constexpr (requires { Op::kLinear; })
      return Op::kLinear && !kWide;
    else
      return false;
  }();
  static constexpr bool kReplays = [] {
    if constexpr (requires { Op::kReplays; })
      return Op::kReplays && !kWide;
    else
      return false;
  }();

  static DSP_HD int states_of(const Port& state) { return kVariable ? int(state.size(2)) : S; }
  template <class T>
  static DSP_HD T step(const T* c, T* s, const T& x, int count) {
    if constexpr (kVariable)
      return Op::step(c, s, x, count);
    else
      return Op::step(c, s, x);
  }
  template <class T>
  static DSP_HD T adjoint(const T* c, const T* s, const T& x, const T& gy, T* gs, T* gc, int count) {
    if constexpr (kVariable)
      return Op::adjoint(c, s, x, gy, gs, gc, count);
    else
      return Op::adjoint(c, s, x, gy, gs, gc);
  }

  /// The parameters of one call: constant ones are read once.
  template <class T>
  struct Controls {
    using Wide = typename Traits<T>::Double;
    const Port* ports;
    const Rows& rows;
    Wide value[P];
    bool moves[P], any = false;

    DSP_HD Controls(const Port* p, const Rows& r) : ports(p), rows(r) {
      for (int i = 0; i < P; ++i) {
        moves[i] = p[i].size(2) != 1;
        any = any || moves[i];
        value[i] = moves[i] ? Wide(0) : load<Wide>(p[i], r, 0);
      }
    }

    /// Calls use(sample, parameters) for samples [t0, t0 + n), or once where nothing moves.
    template <class Use>
    DSP_HD void each(std::int64_t t0, int n, Use use) {
      Wide tile[P][kStretch] = {};
      for (int from = 0; from < n; from += kStretch) {
        const int count = n - from < kStretch ? n - from : kStretch;
        for (int i = 0; i < P; ++i)
          if (moves[i]) load_tile(ports[i], rows, t0 + from, count, tile[i]);
        for (int m = 0; m < count; ++m) {
          for (int i = 0; i < P; ++i)
            if (moves[i]) value[i] = tile[i][m];
          use(from + m, value);
        }
      }
    }

    /// Coefficients of samples [t0, t0 + n); of one sample where nothing moves.
    DSP_HD void coefficients(std::int64_t t0, int n, T (*c)[C]) {
      each(t0, any ? n : 1, [&](int m, const Wide* p) {
        Wide prepared[C];
        Op::prepare(p, prepared);
        for (int i = 0; i < C; ++i) c[m][i] = cast<T>(prepared[i]);
      });
    }
    static constexpr int kStretch = kChunk / 4;
  };

  /// The controls of a row as dsp/scan.hpp asks for them.
  template <class T>
  struct RowCoefs {
    Controls<T> controls;

    template <class Body>
    DSP_HD RowCoefs(const Body& body, const Rows& rows) : controls(body.params, rows) {}
    DSP_HD void tile(int, std::int64_t t0, int n, T (*c)[C]) { controls.coefficients(t0, n, c); }
  };
  static DSP_HD bool any_moves(const Port* params) {
    bool any = false;
    for (int i = 0; i < P; ++i) any = any || params[i].size(2) != 1;
    return any;
  }

  /// Arguments x, the parameters, state; results y, state after; workspace: the state at every chunk's
  /// start, (b, c, chunks, S).
  struct Forward {
    static constexpr int kPorts = 5 + P;
    Port x, params[P], state, y, state_out, kept;

    std::int64_t rows() const { return x.size(0) * x.size(1); }
    std::int64_t work() const { return 2 * rows() * x.size(2); }

    template <class T>
    DSP_HD void run(std::int64_t first, std::int64_t count) const {
      run_part<T>(first, count, Whole{x.size(2)});
    }
    template <class T, class Part>
    DSP_HD void run_part(std::int64_t first, std::int64_t count, const Part& part) const {
      const Rows rows{first, count, x.size(1)};
      const std::int64_t length = part.end;
      const int size = states_of(state);
      Controls<T> controls(params, rows);
      T s[S], c[kChunk][C], tile[kChunk];
      for (int i = 0; i < size; ++i) s[i] = part.first ? entry<T>(rows, 0, i) : part.template state<T>(0, i);
      if (!controls.any) controls.coefficients(0, 1, c);
      for (std::int64_t t0 = part.begin; t0 < length; t0 += kChunk) {
        const int n = int(length - t0 < kChunk ? length - t0 : kChunk);
        if (kept.given() || kept.tangent.data)
          for (int i = 0; i < size; ++i) store(kept, rows, s[i], t0 / kChunk, i);
        load_tile(x, rows, t0, n, tile);
        T own[S];
        for (int i = 0; i < size; ++i) own[i] = s[i];
        if (controls.any) {
          controls.coefficients(t0, n, c);
          for (int m = 0; m < n; ++m) tile[m] = step(c[m], own, tile[m], size);
        } else {
          T fixed[C];
          for (int i = 0; i < C; ++i) fixed[i] = c[0][i];
          for (int m = 0; m < n; ++m) tile[m] = step(fixed, own, tile[m], size);
        }
        for (int i = 0; i < size; ++i) s[i] = own[i];
        store_tile(y, rows, t0, n, tile);
      }
      for (int i = 0; part.last && i < size; ++i) store(state_out, rows, s[i], i);
    }
    template <class T>
    DSP_HD T entry(const Rows& rows, int, int i) const { return load<T>(state, rows, i); }

    // As dsp/scan.hpp asks for them.
    static constexpr bool kSettles = [] {
      if constexpr (requires { Op::kSettles; })
        return Op::kSettles;
      else
        return false;
    }();
    static constexpr bool kScans = Modulated::kScans || kSettles, kBack = false, kPrecise = false, kReplays = false;
    static constexpr int kMostStages = 1, kSums = 0;
    using Scanned = Op;
    template <class T>
    using Coefs = RowCoefs<T>;
    DSP_HD const Port& signal() const { return x; }
    DSP_HD bool divisible() const { return true; }
    DSP_HD int states() const { return states_of(state); }
    DSP_HD int stages() const { return 1; }
    DSP_HD bool moves() const { return any_moves(params); }
    DSP_HD int sums() const { return 0; }
  };

  struct Backward {
    static constexpr int kPorts = 7 + 2 * P;
    Port x, params[P], state, kept, gy, gstate_out, gx, gparams[P], gstate;

    std::int64_t rows() const { return x.size(0) * x.size(1); }
    std::int64_t work() const { return 4 * rows() * x.size(2); }

    template <class T>
    DSP_HD void run(std::int64_t first, std::int64_t count) const {
      run_part<T>(first, count, Whole{x.size(2)});
    }
    template <class T, class Part>
    DSP_HD void run_part(std::int64_t first, std::int64_t count, const Part& part) const {
      using Wide = typename Traits<T>::Double;
      const Rows rows{first, count, x.size(1)};
      const std::int64_t length = part.end;
      const int size = states_of(state);
      Controls<T> controls(params, rows);
      const bool moving = controls.any, wanted = any_wanted();
      T gs[S], c[kChunk][C], g[kChunk], inputs[kChunk], states[kChunk][S];
      Wide total[P], constant[C];
      for (int i = 0; i < size; ++i) gs[i] = part.last ? entry<T>(rows, 0, i) : part.template state<T>(0, i);
      for (int i = 0; i < P; ++i) total[i] = Wide(0);
      for (int i = 0; i < C; ++i) constant[i] = Wide(0);
      if (!moving) controls.coefficients(0, 1, c);
      const std::int64_t last = length > 0 ? (length - 1) / kChunk * kChunk : -1;
      for (std::int64_t t0 = last; t0 >= part.begin; t0 -= kChunk) {
        const int n = int(length - t0 < kChunk ? length - t0 : kChunk);
        if (moving) controls.coefficients(t0, n, c);
        load_tile(x, rows, t0, n, inputs);
        T own[S], sum[C], fixed[C];
        for (int i = 0; i < size; ++i) own[i] = load<T>(kept, rows, t0 / kChunk, i);
        for (int i = 0; i < C; ++i) fixed[i] = c[0][i];
        for (int m = 0; m < n; ++m) {
          for (int i = 0; i < size; ++i) states[m][i] = own[i];
          step(moving ? c[m] : fixed, own, inputs[m], size);
        }
        load_tile(gy, rows, t0, n, g);
        for (int i = 0; i < size; ++i) own[i] = gs[i];
        for (int i = 0; i < C; ++i) sum[i] = T(0);
        if (moving) {
          for (int m = n - 1; m >= 0; --m) {
            T gc[C];
            for (int i = 0; i < C; ++i) gc[i] = T(0);
            g[m] = adjoint(c[m], states[m], inputs[m], g[m], own, gc, size);
            for (int i = 0; i < C; ++i) c[m][i] = gc[i];  // what the coefficients were for is done
          }
          if (wanted) parameter_gradients(controls, t0, n, c, total);
        } else {
          for (int m = n - 1; m >= 0; --m) g[m] = adjoint(fixed, states[m], inputs[m], g[m], own, sum, size);
          for (int i = 0; i < C; ++i) constant[i] += cast<Wide>(sum[i]);
        }
        for (int i = 0; i < size; ++i) gs[i] = own[i];
        store_tile(gx, rows, t0, n, g);
      }
      for (int i = 0; part.first && i < size; ++i) store(gstate, rows, gs[i], i);
      if (part.whole) {
        settle(controls, constant, total);
      } else if (wanted) {
        if (moving)
          for (int i = 0; i < P; ++i) part.add_up(0, i, total[i]);
        else
          for (int i = 0; i < C; ++i) part.add_up(0, i, constant[i]);
      }
    }
    template <class T>
    DSP_HD T entry(const Rows& rows, int, int i) const { return load<T>(gstate_out, rows, i); }

    /// Gradients of what does not move, from its own sums, or from those of the coefficients where nothing does.
    template <class T, class Wide>
    DSP_HD void settle(const Controls<T>& controls, const Wide* constant, Wide* total) const {
      if (!controls.any && any_wanted()) back_to_parameters<Op>(controls.value, constant, total);
      for (int i = 0; i < P; ++i)
        if (!controls.moves[i]) store(gparams[i], controls.rows, total[i], 0);
    }
    template <class T, class Wide>
    DSP_HD void finish(const Rows& rows, int, Wide* sums) const {
      Wide total[P];
      for (int i = 0; i < P; ++i) total[i] = sums[i];
      settle(Controls<T>(params, rows), sums, total);
    }

    // As dsp/scan.hpp asks for them.
    static constexpr bool kScans = Modulated::kScans || Modulated::kReplays, kBack = true, kPrecise = false;
    static constexpr bool kReplays = Modulated::kReplays;
    static constexpr int kMostStages = 1, kSums = C > P ? C : P;
    using Scanned = Op;
    template <class T>
    using Coefs = RowCoefs<T>;
    DSP_HD const Port& signal() const { return gy; }
    DSP_HD bool divisible() const { return true; }
    DSP_HD int states() const { return states_of(state); }
    DSP_HD int stages() const { return 1; }
    DSP_HD bool moves() const { return any_moves(params); }
    DSP_HD int sums() const {
      bool any = false;
      for (int i = 0; i < P; ++i) any = any || ((gparams[i].given() || gparams[i].tangent.data) && params[i].size(2) == 1);
      return any ? kSums : 0;
    }
    template <class T>
    DSP_HD T kept_state(const Rows& rows, std::int64_t t0, int i) const { return load<T>(kept, rows, t0 / kChunk, i); }

    DSP_HD bool any_wanted() const {
      bool any = false;
      for (int i = 0; i < P; ++i) any = any || gparams[i].given() || gparams[i].tangent.data;
      return any;
    }

    template <class T, class Wide>
    DSP_HD void parameter_gradients(Controls<T>& controls, std::int64_t t0, int n, const T (*gcoefs)[C],
                                    Wide* total) const {
      Wide tile[P][kChunk];
      controls.each(t0, n, [&](int m, const Wide* p) {
        Wide gc[C], gp[P];
        for (int i = 0; i < C; ++i) gc[i] = cast<Wide>(gcoefs[m][i]);
        back_to_parameters<Op>(p, gc, gp);
        for (int i = 0; i < P; ++i) {
          if (controls.moves[i])
            tile[i][m] = gp[i];
          else
            total[i] += gp[i];
        }
      });
      for (int i = 0; i < P; ++i)
        if (controls.moves[i]) store_tile(gparams[i], rows_of(controls), t0, n, tile[i]);
    }
    template <class T>
    static DSP_HD const Rows& rows_of(const Controls<T>& controls) { return controls.rows; }
  };
};

}  // namespace
}  // namespace dsp
