// From the gradient of coefficients back to that of the parameters they were prepared from.
#pragma once

#include "dsp/dual.hpp"

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

}  // namespace
}  // namespace dsp
