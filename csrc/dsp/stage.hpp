// The coefficients of a stage of `Recursion`, however its parameters are given: constant, a set for each frame or
// for each sample.
#pragma once

#include "dsp/framed.hpp"
#include "dsp/op.hpp"
#include "dsp/parameters.hpp"

namespace dsp {
namespace {

/// Stages that one call can run: bounds the scratch of a thread. The Python op splits longer cascades.
constexpr int kMaxStages = 8;

DSP_HD Frames frames_of(const Attrs& attrs, const Port& params) {
  return {attrs.value[0], attrs.value[1], params.size(4)};
}

/// Coefficients of stage k at sample t, for all lanes. Prepared in float64 whatever the audio is.
template <class Op, class T>
DSP_HD void stage_coefficients(const Port& params, const Rows& rows, int k, std::int64_t t, T* c) {
  using Wide = typename Traits<typename Traits<T>::Double>::Scalar;
  for (int l = 0; l < Traits<T>::kLanes; ++l) {
    Wide p[Op::kParams], prepared[Op::kCoefs];
    const Port row = params.from(rows.item(l), rows.channel(l), k);
    for (int i = 0; i < Op::kParams; ++i) p[i] = row.template load<Wide>(0, 0, 0, i, t);
    Op::prepare(p, prepared);
    for (int i = 0; i < Op::kCoefs; ++i) set_lane(c[i], l, cast<typename Traits<T>::Scalar>(prepared[i]));
  }
}

/// Adjoint of `stage_coefficients`: the parameters' gradient from that of the coefficients.
template <class Op, class Wide>
DSP_HD void stage_gradient(const Port& params, const Port& gradient, const Rows& rows,
                           int k, std::int64_t t, const Wide* gc) {
  using Number = typename Traits<Wide>::Scalar;
  for (int l = 0; l < Traits<Wide>::kLanes; ++l) {
    Number p[Op::kParams], g[Op::kCoefs], gp[Op::kParams];
    const Port row = params.from(rows.item(l), rows.channel(l), k);
    for (int i = 0; i < Op::kParams; ++i) p[i] = row.template load<Number>(0, 0, 0, i, t);
    for (int j = 0; j < Op::kCoefs; ++j) g[j] = lane(gc[j], l);
    back_to_parameters<Op>(p, g, gp);
    const Port out = gradient.from(rows.item(l), rows.channel(l), k);
    for (int i = 0; i < Op::kParams; ++i) out.store(gp[i], 0, 0, 0, i, t);
  }
}

/// Coefficients of any stage in a chunk; of one sample where they are constant.
template <class Op, class T>
struct StageCoefs {
  static constexpr int C = Op::kCoefs;
  static constexpr bool kFrames = requires { Op::kFrames; };
  const Port& params;
  const Rows& rows;
  const Frames grid;
  T fixed[kMaxStages][C];
  Framed<Op, T> glide;
  MovingStage<Op, T> moved;
  int gliding = -1;

  template <class Body>
  DSP_HD StageCoefs(const Body& body, const Rows& r) : params(body.params), rows(r), grid(frames_of(body.attrs, body.params)) {
    for (int k = 0; grid.hop == 0 && grid.count == 1 && k < int(params.size(2)); ++k) stage_coefficients<Op>(params, rows, k, 0, fixed[k]);
  }
  DSP_HD void tile(int k, std::int64_t t0, int n, T (*c)[C]) {
    if (kFrames && grid.hop != 0) {
      if (gliding != k) glide.now = -1;
      gliding = k;
      glide.each(grid, params, rows, k, t0, n, [&](int i, const T* coefs) {
        for (int j = 0; j < C; ++j) c[i][j] = coefs[j];
      });
    } else if (grid.count == 1) {
      for (int j = 0; j < C; ++j) c[0][j] = fixed[k][j];
    } else {
      for (int from = 0; from < n; from += moved.kStretch) {
        const int count = n - from < moved.kStretch ? n - from : moved.kStretch;
        moved.load(params, rows, k, t0 + from, count);
        for (int i = 0; i < count; ++i)
          for (int j = 0; j < C; ++j) c[from + i][j] = moved.coefs[i][j];
      }
    }
  }
};

}  // namespace
}  // namespace dsp
