// From parameters that move to coefficients, and from the gradient of coefficients back to that of the
// parameters they were prepared from.
#pragma once

#include "dsp/launch.hpp"
#include "dsp/tile.hpp"

namespace dsp {
namespace {

/// The adjoint of `Op::prepare` at `params`: by `Op::unprepare`, which an op has where duals of its many
/// parameters would be slow, else by duals.
template <class Op, class Wide>
DSP_HD void back_to_parameters(const Wide* params, const Wide* gc, Wide* gp) {
  constexpr int P = Op::kParams, C = Op::kCoefs;
  if constexpr (requires { Op::unprepare(params, gc, gp); }) {
    Op::unprepare(params, gc, gp);
  } else {
    Dual<Wide, P> p[P], prepared[C];
    for (int i = 0; i < P; ++i) {
      p[i].v = params[i];
      for (int j = 0; j < P; ++j) p[i].d[j] = Wide(i == j ? 1 : 0);
    }
    Op::prepare(p, prepared);
    for (int i = 0; i < P; ++i) {
      gp[i] = Wide(0);
      for (int j = 0; j < C; ++j) gp[i] += prepared[j].d[i] * gc[j];
    }
  }
}

/// Moving parameters of one stage for a stretch of samples, and the coefficients from them, prepared
/// with the rows on the lanes.
template <class Op, class T>
struct MovingStage {
  static constexpr int P = Op::kParams, C = Op::kCoefs;
  using Wide = typename Traits<T>::Double;
  static constexpr int kStretch = kChunk / 4;
  Wide params[P][kStretch] = {};
  T coefs[kStretch][C];

  /// Parameter `i` of stage `k` as a signal (b, c, n).
  static DSP_HD Port signal(const Port& port, int k, int i) {
    Port r = port.from(0, 0, k, i);
    r.value.stride[2] = r.value.stride[4];
    r.tangent.stride[2] = r.tangent.stride[4];
    return r;
  }
  DSP_HD void load(const Port& port, const Rows& rows, int k, std::int64_t t, int n) {
    for (int i = 0; i < P; ++i) load_tile(signal(port, k, i), rows, t, n, params[i]);
    for (int m = 0; m < n; ++m) {
      Wide p[P], c[C];
      for (int i = 0; i < P; ++i) p[i] = params[i][m];
      Op::prepare(p, c);
      for (int j = 0; j < C; ++j) coefs[m][j] = cast<T>(c[j]);
    }
  }
  /// Puts the gradients of sample `m` in place of its parameters.
  DSP_HD void back(int m, const T* gc) {
    Wide p[P], g[C], gp[P];
    for (int i = 0; i < P; ++i) p[i] = params[i][m];
    for (int j = 0; j < C; ++j) g[j] = cast<Wide>(gc[j]);
    back_to_parameters<Op>(p, g, gp);
    for (int i = 0; i < P; ++i) params[i][m] = gp[i];
  }
};

}  // namespace
}  // namespace dsp
