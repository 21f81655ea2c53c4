// The driver of every op that is a chain of small recursions over one signal: y[t], s[t+1] = step(c[t],
// s[t], x[t]). The functor `Op` gives the step of one stage and its adjoint; the driver owns rows,
// lanes, tiles, the states kept for the backward pass, constant and moving parameters, and the chain
// rule from coefficients back to parameters.
//
//   struct Op {
//     static constexpr const char* kName;
//     static constexpr int kParams, kCoefs, kState;   // of one stage
//     static constexpr bool kWide;                    // compute float32 audio in float64
//     static constexpr bool kLinear;                  // in state and input: one row can use all lanes, and the GPU
//     static constexpr bool kReplays = true;          // where it is not, but all its states are numbers: the adjoint of one row can
//     static constexpr bool kSettles = true;          // where it is not: the GPU finds states by Newton's method (dsp/settle.hpp)
//     template <class S> static DSP_HD void prepare(const S* params, S* coefs);  // no branches
//     // Where duals of many parameters would be slow: the parameters' adjoint from the coefficients'.
//     template <class S> static DSP_HD void unprepare(const S* params, const S* gc, S* gp);
//     template <class T> static DSP_HD T step(const T* c, T* s, T x);
//     // State and input before the step, adjoint gs of the state after it: turns gs into the adjoint
//     // of the state before, adds to gc, returns the adjoint of x.
//     template <class T> static DSP_HD T adjoint(const T* c, const T* s, T x, T gy, T* gs, T* gc);
//     // Where step is speak(follow(listen)) and only the middle has a memory: a single row of one stage
//     // listens and speaks on all lanes.
//     template <class T> static DSP_HD T listen(const T* c, T x);
//     template <class T> static DSP_HD T follow(const T* c, T* s, T heard);
//     template <class T> static DSP_HD T speak(T followed);
//   };
//
// The adjoint of y = f(x) is the transposed Jacobian; run on dual numbers it is the second derivative.
// Parameters are float64 (b, c, stages, kParams, n) with n = 1 for constant ones or one per sample, or, for
// ops with kFrames, one per frame of hop samples: attributes hop (0: no frames) and start.
#pragma once

#include "dsp/stage_scan.hpp"
#include "dsp/stage_lanes.hpp"
#include "dsp/stretches.hpp"
#include "dsp/tile.hpp"

namespace dsp {
namespace {

/// Stages worked on side by side: as many as there are registers for.
constexpr int kAtOnce = 3;

/// Stages from which a single row is quicker with the stages on the lanes than with stretches of time.
constexpr int kStageLanes = 3;

template <class Op>
struct Recursion {
  static constexpr const char* kName = Op::kName;
  static constexpr int kArguments = 3, kResults = 2, kWorkspaces = 1, kScratches = 0;
  static constexpr bool kLanes = true, kWide = Op::kWide;
  static constexpr int P = Op::kParams, C = Op::kCoefs, S = Op::kState;
  static constexpr bool kFrames = requires { Op::kFrames; };

  /// Can a single row be worked on in stretches of time? On CUDA dsp/scan.hpp divides it.
#ifdef __CUDACC__
  template <class T>
  static constexpr bool kOnLanes = false;
#else
  template <class T>
  static constexpr bool kOnLanes = Op::kLinear && !kWide && Traits<T>::kLanes == 1;
#endif

  /// The chunks of a row that are; a short row is not worth it.
  template <class T>
  static DSP_HD std::int64_t stretched(std::int64_t length, bool moving) {
    return kOnLanes<T> && !moving && length >= 4 * kChunk ? length / kChunk : 0;
  }
  /// Are the rows better worked on one after the other?
  static DSP_HD bool few(std::int64_t rows, const Port& x, const Port& params, const Attrs& attrs, int lanes) {
    const bool moving = params.size(4) != 1 || attrs.value[0] != 0;
    return Op::kLinear && !kWide && 2 * rows <= lanes && stretched<float>(x.size(2), moving) > 0;
  }

  template <class T>
  using Moving = MovingStage<Op, T>;

  /// Samples [0, n) of a tile through G stages at once: the next stage works on a sample while the first
  /// takes the next one, so that the time of one recursion hides that of the others.
  template <int G, class T>
  static DSP_HD void advance(const T (*coefs)[C], T (*states)[S], int n, T* tile) {
    T c[G][C], s[G][S];
    for (int k = 0; k < G; ++k) {
      for (int i = 0; i < C; ++i) c[k][i] = coefs[k][i];
      for (int i = 0; i < S; ++i) s[k][i] = states[k][i];
    }
    for (int i = 0; i < n; ++i) {
      T v = tile[i];
      for (int k = 0; k < G; ++k) v = Op::step(c[k], s[k], v);
      tile[i] = v;
    }
    for (int k = 0; k < G; ++k)
      for (int i = 0; i < S; ++i) states[k][i] = s[k][i];
  }

  /// Arguments x, params, state; results y, state after; workspace: the state at every chunk's start,
  /// (b, c, chunks, stages, S), when the backward pass will want it.
  struct Forward : StageScan<Forward, Op, false> {
    static constexpr int kPorts = 6;
    Port x, params, state, y, state_out, kept;
    Attrs attrs;

    std::int64_t rows() const { return x.size(0) * x.size(1); }
    std::int64_t work() const { return rows() * x.size(2) * params.size(2); }

    template <class T>
    DSP_HD void run(std::int64_t first, std::int64_t count) const {
      run_part<T>(first, count, Whole{x.size(2)});
    }
    template <class T, class Part>
    DSP_HD void run_part(std::int64_t first, std::int64_t count, const Part& part) const {
      const Rows rows{first, count, x.size(1)};
      const int stages = int(params.size(2));
      const std::int64_t length = part.end;
      const Frames grid = frames_of(attrs, params);
      const bool framed = kFrames && grid.hop != 0, moving = framed || params.size(4) != 1;
      T s[kMaxStages][S], c[kMaxStages][C], tile[kChunk];
      Framed<Op, T> glide[kFrames ? kMaxStages : 1];
      const Kept<T> keep(kept, rows);
      for (int k = 0; k < stages; ++k) {
        for (int i = 0; i < S; ++i) s[k][i] = part.first ? entry<T>(rows, k, i) : part.template state<T>(k, i);
        if (!moving) stage_coefficients<Op>(params, rows, k, 0, c[k]);
      }
      const std::int64_t chunks = stretched<T>(length, moving);
      std::int64_t done = part.begin + chunks * kChunk;
      if constexpr (kOnLanes<T>) {
        if (stages_on_lanes<T>(stages, chunks, keep.there)) {
          run_stages(rows, stages, c, s);
          done = length;
        } else if (chunks) {
          run_stretches(rows, chunks, stages, c, s);
        }
      }
      for (std::int64_t t0 = done; t0 < length; t0 += kChunk) {
        const int n = int(length - t0 < kChunk ? length - t0 : kChunk);
        load_tile(x, rows, t0, n, tile);
        prefetch_tile<T>(x, rows, t0 + kChunk, kChunk);
        for (int k = 0; keep.there && k < stages; ++k)
          for (int i = 0; i < S; ++i) keep.put((t0 / kChunk * stages + k) * S + i, s[k][i]);
        if (framed) {
          if constexpr (kFrames)
            for (int k = 0; k < stages; ++k)
              glide[k].each(grid, params, rows, k, t0, n,
                            [&](int i, const T* coefs) { tile[i] = Op::step(coefs, s[k], tile[i]); });
        } else if (moving) {
          Moving<T> moved;
          for (int k = 0; k < stages; ++k)
            for (int from = 0; from < n; from += moved.kStretch) {
              const int count = n - from < moved.kStretch ? n - from : moved.kStretch;
              moved.load(params, rows, k, t0 + from, count);
              for (int i = 0; i < count; ++i) tile[from + i] = Op::step(moved.coefs[i], s[k], tile[from + i]);
            }
        } else {
          int k = 0;
#ifndef __CUDACC__
          if constexpr (kParts<Op, T>)
            if (stages == 1) advance_in_parts<Op>(c[k++], s[0], n, tile);
#endif
          for (; k + kAtOnce <= stages; k += kAtOnce) advance<kAtOnce>(c + k, s + k, n, tile);
          for (; k < stages; ++k) advance<1>(c + k, s + k, n, tile);
        }
        store_tile(y, rows, t0, n, tile);
      }
      for (int k = 0; part.last && k < stages; ++k)
        for (int i = 0; i < S; ++i) store(state_out, rows, s[k][i], k, i);
    }
    template <class T>
    DSP_HD T entry(const Rows& rows, int k, int i) const {
      return state.given() ? load<T>(state, rows, k, i) : T(0);
    }

    DSP_HD bool few_rows(int lanes) const { return few(rows(), x, params, attrs, lanes); }

    /// Of plain numbers, where nothing is kept for the backward pass.
    template <class T>
    static DSP_HD bool stages_on_lanes(int stages, std::int64_t chunks, bool kept) {
      return std::is_arithmetic_v<T> && stages >= kStageLanes && chunks > 0 && !kept;
    }

#ifndef __CUDACC__
    /// A whole row, its stages on the lanes.
    template <class T>
    void run_stages(const Rows& rows, int stages, const T (*c)[C], T (*s)[S]) const {
      if constexpr (std::is_arithmetic_v<T>) {
        const std::int64_t item = rows.item(0), channel = rows.channel(0);
        const Series<T, T> from(x, item, channel), to(y, item, channel);
        StageLanes<Op, T, kMaxStages>::run(stages, c, s, from, to, x.size(2));
      }
    }

    /// The first chunks of a row, on lanes.
    template <class T>
    void run_stretches(const Rows& rows, std::int64_t chunks, int stages, const T (*c)[C], T (*s)[S]) const {
      using Lanes = Stretches<Op, T>;
      typename Lanes::Many tile[kChunk], begin[S];
      typename Lanes::Stage stage[kMaxStages];
      for (int k = 0; k < stages; ++k) stage[k].prepare(c[k]);
      const std::int64_t item = rows.item(0), channel = rows.channel(0);
      const Series<typename Lanes::Real, T> from(x, item, channel), to(y, item, channel);
      for (std::int64_t first = 0; first < chunks; first += Lanes::W) {
        const int lanes = int(chunks - first < Lanes::W ? chunks - first : Lanes::W);
        Lanes::load(from, first * kChunk, lanes, tile);
        for (int k = 0; k < stages; ++k) {
          Lanes::forward(stage[k], s[k], lanes, tile, begin);
          if (!kept.given() && !kept.tangent.data) continue;
          for (int l = 0; l < lanes; ++l)
            for (int i = 0; i < S; ++i) store(kept, rows, lane(begin[i], l), first + l, k, i);
        }
        Lanes::store(to, first * kChunk, lanes, tile);
      }
    }
#endif
  };

  struct Backward : StageScan<Backward, Op, true> {
    Port x, params, state, kept, gy, gstate_out, gx, gparams, gstate;
    static constexpr int kPorts = 9;
    Attrs attrs;

    std::int64_t rows() const { return x.size(0) * x.size(1); }
    std::int64_t work() const { return 2 * rows() * x.size(2) * params.size(2); }

    template <class T>
    DSP_HD void run(std::int64_t first, std::int64_t count) const {
      run_part<T>(first, count, Whole{x.size(2)});
    }
    template <class T, class Part>
    DSP_HD void run_part(std::int64_t first, std::int64_t count, const Part& part) const {
      using Wide = typename Traits<T>::Double;
      const Rows rows{first, count, x.size(1)};
      const int stages = int(params.size(2));
      const std::int64_t length = part.end;
      const Frames grid = frames_of(attrs, params);
      const bool framed = kFrames && grid.hop != 0, moving = framed || params.size(4) != 1;
      T c[kMaxStages][C], gs[kMaxStages][S];
      Wide total[kMaxStages][C];
      T inputs[kMaxStages][kChunk], states[kMaxStages][kChunk][S], g[kChunk];
      Moving<T> moved;
      const bool together = Moving<T>::together(params, gparams, rows);
      const Kept<T> keep(kept, rows);
      Framed<Op, T> glide[kFrames ? kMaxStages : 1];
      for (int k = 0; k < stages; ++k) {
        for (int i = 0; i < S; ++i) gs[k][i] = part.last ? entry<T>(rows, k, i) : part.template state<T>(k, i);
        for (int i = 0; i < C; ++i) total[k][i] = Wide(0);
        if (!moving) stage_coefficients<Op>(params, rows, k, 0, c[k]);
        if (framed) glide[kFrames ? k : 0].begin_back();
        for (std::int64_t f = 0; framed && part.whole && f < grid.count; ++f)
          for (int i = 0; i < P; ++i) store(gparams, rows, Wide(0), k, i, f);
      }
      const std::int64_t last = length > 0 ? (length - 1) / kChunk * kChunk : -1;
      const std::int64_t chunks = stretched<T>(length, moving);
      for (std::int64_t t0 = last; t0 >= part.begin + chunks * kChunk; t0 -= kChunk) {
        const int n = int(length - t0 < kChunk ? length - t0 : kChunk);
        load_tile(x, rows, t0, n, inputs[0]);
        prefetch_tile<T>(x, rows, t0 - kChunk, kChunk);
        prefetch_tile<T>(gy, rows, t0 - kChunk, kChunk);
        prefetch_tile<T>(gx, rows, t0 - kChunk, kChunk);
        for (int k = 0; k < stages; ++k) {
          T own[S];
          for (int i = 0; i < S; ++i) own[i] = keep.get((t0 / kChunk * stages + k) * S + i);
          const bool last_stage = k + 1 == stages;  // whose output is not needed, nor what makes it of the state
          const auto advance = [&](int i, const T* coefs) {
            for (int j = 0; j < S; ++j) states[k][i][j] = own[j];
            if (last_stage)
              Op::step(coefs, own, inputs[k][i]);
            else
              inputs[k + 1][i] = Op::step(coefs, own, inputs[k][i]);
          };
          if (framed) {
            if constexpr (kFrames) glide[k].each(grid, params, rows, k, t0, n, advance);
          } else if (moving) {
            for (int from = 0; from < n; from += moved.kStretch) {
              const int count = n - from < moved.kStretch ? n - from : moved.kStretch;
              moved.load(params, rows, k, t0 + from, count);
              for (int i = 0; i < count; ++i) advance(from + i, moved.coefs[i]);
            }
          } else {
            T fixed[C];
            for (int i = 0; i < C; ++i) fixed[i] = c[k][i];
            for (int i = 0; i < n; ++i) advance(i, fixed);
          }
        }
        load_tile(gy, rows, t0, n, g);
        for (int k = stages - 1; k >= 0; --k) {
          T own[S], gc[C];
          for (int i = 0; i < S; ++i) own[i] = gs[k][i];
          for (int i = 0; i < C; ++i) gc[i] = T(0);
          if (framed) {
            if constexpr (kFrames)
              glide[k].each_back(grid, params, gparams, rows, k, t0, n, part, [&](int i, const T* coefs, T* gcoefs) {
                g[i] = Op::adjoint(coefs, states[k][i], inputs[k][i], g[i], own, gcoefs);
              });
          } else if (moving) {
            for (int from = (n - 1) / moved.kStretch * moved.kStretch; from >= 0; from -= moved.kStretch) {
              const int count = n - from < moved.kStretch ? n - from : moved.kStretch;
              moved.load(params, rows, k, t0 + from, count, together);
              for (int m = count - 1; m >= 0; --m) {
                const int i = from + m;
                for (int j = 0; j < C; ++j) gc[j] = T(0);
                g[i] = Op::adjoint(moved.coefs[m], states[k][i], inputs[k][i], g[i], own, gc);
#ifndef __CUDACC__
                if constexpr (Moving<T>::kShares)
                  if (together) moved.owe_one(m, gc);
#endif
                if (this->wanted() && !together) moved.back(m, gc);
              }
#ifndef __CUDACC__
              if constexpr (Moving<T>::kShares)
                if (together) moved.give_one(gparams, rows, k, t0 + from, count);
#endif
              for (int i = 0; this->wanted() && !together && i < P; ++i)
                store_tile(moved.signal(gparams, k, i), rows, t0 + from, count, moved.params[i]);
            }
          } else {
            for (int i = n - 1; i >= 0; --i) g[i] = Op::adjoint(c[k], states[k][i], inputs[k][i], g[i], own, gc);
          }
          for (int i = 0; i < S; ++i) gs[k][i] = own[i];
          for (int i = 0; i < C; ++i) total[k][i] += cast<Wide>(gc[i]);
        }
        store_tile(gx, rows, t0, n, g);
      }
      if constexpr (kOnLanes<T>)
        if (chunks) run_stretches(rows, chunks, stages, c, gs, total);
      for (int k = 0; k < stages; ++k) {
        for (int i = 0; part.first && i < S; ++i) store(gstate, rows, gs[k][i], k, i);
        if (framed) glide[kFrames ? k : 0].settle_all(params, gparams, rows, k, part);
        if (moving || !this->wanted()) continue;
        if (part.whole) finish<T>(rows, k, total[k]);
        for (int i = 0; !part.whole && i < C; ++i) part.add_up(k, i, total[k][i]);
      }
    }
    template <class T>
    DSP_HD T entry(const Rows& rows, int k, int i) const { return load<T>(gstate_out, rows, k, i); }
    template <class T>
    DSP_HD void finish(const Rows& rows, int k, const typename Traits<T>::Double* total) const {
      stage_gradient<Op>(params, gparams, rows, k, 0, total);
    }

    DSP_HD bool few_rows(int lanes) const { return few(rows(), x, params, attrs, lanes); }

#ifndef __CUDACC__
    /// The first chunks of a row, on lanes, the last ones first.
    template <class T, class Wide>
    void run_stretches(const Rows& rows, std::int64_t chunks, int stages, const T (*c)[C], T (*gs)[S], Wide (*total)[C]) const {
      using Lanes = Stretches<Op, T>;
      using Many = typename Lanes::Many;
      Many inputs[kMaxStages][kChunk], states[kMaxStages][kChunk][S], g[kChunk];
      typename Lanes::Stage stage[kMaxStages];
      for (int k = 0; k < stages; ++k) stage[k].prepare(c[k]);
      const std::int64_t item = rows.item(0), channel = rows.channel(0);
      const Series<typename Lanes::Real, T> from(x, item, channel), gout(gy, item, channel), to(gx, item, channel);
      for (std::int64_t first = (chunks - 1) / Lanes::W * Lanes::W; first >= 0; first -= Lanes::W) {
        const int lanes = int(chunks - first < Lanes::W ? chunks - first : Lanes::W);
        Lanes::load(from, first * kChunk, lanes, inputs[0]);
        for (int k = 0; k < stages; ++k) {
          Many own[S];
          for (int i = 0; i < S; ++i) {
            own[i] = Many(0);
            for (int l = 0; l < lanes; ++l) set_lane(own[i], l, load<T>(kept, rows, first + l, k, i));
          }
          for (int i = 0; i < kChunk; ++i) {
            for (int j = 0; j < S; ++j) states[k][i][j] = own[j];
            if (k + 1 == stages)
              Op::step(stage[k].c, own, inputs[k][i]);
            else
              inputs[k + 1][i] = Op::step(stage[k].c, own, inputs[k][i]);
          }
        }
        Lanes::load(gout, first * kChunk, lanes, g);
        for (int k = stages - 1; k >= 0; --k)
          Lanes::backward(stage[k], states[k], inputs[k], gs[k], lanes, g, total[k]);
        Lanes::store(to, first * kChunk, lanes, g);
      }
    }
#endif
  };
};

}  // namespace
}  // namespace dsp
