// Recursions on CUDA, divided along time: a part of a row to each thread, so that one long row fills
// the GPU as well as many. A part is an affine map of the state, s -> A s + b, and maps compose (G. Blelloch,
// "Prefix Sums and Their Applications", 1990; E. Martin and C. Cundy, "Parallelizing Linear Recurrent Neural
// Nets Over Sequence Length", ICLR 2018). Stage after stage of a cascade,
//
//   gain_parts     runs every part from a state of nothing, which leaves b, and, on threads of their own, from a 1 in
//                  one place of the state and no signal, which leaves a column of A: of every part where coefficients
//                  move, else once for all; the first part runs from the true state, so that what is scanned begins with
//                  nothing
//   compose_maps   makes one map of kGroup maps, and of those again, until kGroup are left, a thread a column
//   spread_states  walks over the maps of a group, from the coarsest level down to the parts
//
// and then every part runs once more from its true state and writes what a whole row would. The adjoint goes
// the same way from the last sample on: its state does not depend on the signal, or, of a recursion that is not linear, on
// one that the forward pass has found (kReplays). Maps are float64: an
// error of A is the same in every part, and in float32 took a 20 Hz corner with Q 10 from -115 to -102 dB. Derivatives along a
// direction are maps of dual numbers, and go the same way. How
// rows are divided follows from shapes alone and sums have a fixed order: the same bits every time. What is not linear forwards: dsp/settle.hpp.
//
// A body that can be divided has kBack, kPrecise (finds states in float64), kReplays, Scanned (the op) and, where the state can be
// larger, Large (the same for more), kMostStages, kSums (most totals of a stage that all parts add up to), signal(), divisible(),
// states(), stages(), moves(), sums(), entry<T>(rows, k, i), Coefs<T>, run_part<T>; where it has sums, finish<T>; where
// what it owes to frames, owed(), frames() and finish_frame<T>.
#pragma once

#include "dsp/settle.hpp"

namespace dsp {
namespace {

#ifdef __CUDACC__

/// Signal and states at the samples of a chunk, for the adjoint of a recursion that is not linear: from the state that was kept.
template <class Body, class Op, class T>
struct Replay {
  static constexpr int kSamples = Body::kReplays ? kChunk : 1;
  T inputs[kSamples] = {}, states[kSamples][Op::kState] = {};

  DSP_HD void run(const Body& body, const Rows& rows, std::int64_t t0, int n, const T (*c)[Op::kCoefs], bool moving) {
    if constexpr (Body::kReplays) {
      load_tile(body.x, rows, t0, n, inputs);
      T own[Op::kState];
      for (int i = 0; i < Op::kState; ++i) own[i] = body.template kept_state<T>(rows, t0, i);
      for (int l = 0; l < n; ++l) {
        for (int i = 0; i < Op::kState; ++i) states[l][i] = own[i];
        Op::step(c[moving ? l : 0], own, inputs[l]);
      }
    }
  }
  DSP_HD const T* state(int at) const { return states[Body::kReplays ? at : 0]; }
  DSP_HD const T& input(int at) const { return inputs[Body::kReplays ? at : 0]; }
};

/// One sample of a stage: forwards, or of its adjoint at this state and signal, which a linear one does not look at.
template <class Op, bool kBack, class T>
DSP_HD T step_or_back(const T* c, const T* at, const T& x, T* s, const T& v, [[maybe_unused]] int states) {
  if constexpr (kBack) {
    T gc[Op::kCoefs] = {};
    if constexpr (requires { Op::kVariable; })
      return Op::adjoint(c, at, x, v, s, gc, states);
    else
      return Op::adjoint(c, at, x, v, s, gc);
  } else if constexpr (requires { Op::kVariable; }) {
    return Op::step(c, s, v, states);
  } else {
    return Op::step(c, s, v);
  }
}

template <class T, class Body>
__global__ void run_parts(Body body, Scan scan) {
  const std::int64_t id = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x, row = id / scan.count;
  if (row >= scan.rows) return;
  body.template run_part<T>(row, scan.rows, Part<Body::kBack>(scan, row, id % scan.count));
}

/// The offset of stage `k` in every part but the last.
template <class Op, class T, class Body>
DSP_HD void offset_of_part(const Body& body, const Rows& rows, const Part<Body::kBack>& part, int k) {
  constexpr int N = Op::kState, C = Op::kCoefs;
  constexpr bool kBack = Body::kBack;
  const Scan& scan = part.scan;
  const int S = states_of<Op::kState>(scan);
  typename Body::template Coefs<T> coefs(body, rows);
  T s[Body::kMostStages][N] = {}, c[kChunk][C], tile[kChunk];
  Replay<Body, Op, T> replay;
  const int from = kBack ? scan.stages - 1 : 0, step = kBack ? -1 : 1;
  for (int q = from; q != k + step; q += step)
    for (int i = 0; i < S; ++i)
      s[q][i] = part.place == 0 ? body.template entry<T>(rows, q, i) : q == k ? T(0) : part.template state<T>(q, i);
  const std::int64_t chunks = (part.end - part.begin + kChunk - 1) / kChunk;
  for (std::int64_t m = 0; m < chunks; ++m) {
    const std::int64_t t0 = part.begin + (kBack ? chunks - 1 - m : m) * kChunk;
    const int n = int(part.end - t0 < kChunk ? part.end - t0 : kChunk);
    load_tile(body.signal(), rows, t0, n, tile);
    for (int q = from; q != k + step; q += step) {
      coefs.tile(q, t0, n, c);
      replay.run(body, rows, t0, n, c, scan.moving);
      T own[N] = {};
      for (int i = 0; i < S; ++i) own[i] = s[q][i];
      for (int l = 0; l < n; ++l) {
        const int at = kBack ? n - 1 - l : l;
        tile[at] = step_or_back<Op, kBack>(c[scan.moving ? at : 0], replay.state(at), replay.input(at), own, tile[at], S);
      }
      for (int i = 0; i < S; ++i) s[q][i] = own[i];
    }
  }
  const Maps<typename Traits<T>::Double> maps(scan, 0, rows.first);
  for (int i = 0; i < S; ++i) maps.offset(part.place, i) = cast<typename Traits<T>::Double>(s[k][i]);
}

/// Column `j` of the matrix of stage `k`.
template <class Op, class T, class Body>
DSP_HD void column_of_part(const Body& body, const Rows& rows, const Part<Body::kBack>& part, int k, int j) {
  constexpr int C = Op::kCoefs;
  constexpr bool kBack = Body::kBack;
  using Wide = typename Traits<T>::Double;
  const Scan& scan = part.scan;
  const int S = states_of<Op::kState>(scan);
  typename Body::template Coefs<T> coefs(body, rows);
  T c[kChunk][C];
  Wide s[Op::kState] = {}, wide[C], at_state[Op::kState] = {};
  Replay<Body, Op, T> replay;
  for (int i = 0; i < S; ++i) s[i] = Wide(i == j ? 1 : 0);
  const std::int64_t chunks = (part.end - part.begin + kChunk - 1) / kChunk;
  for (std::int64_t m = 0; m < chunks; ++m) {
    const std::int64_t t0 = part.begin + (kBack ? chunks - 1 - m : m) * kChunk;
    const int n = int(part.end - t0 < kChunk ? part.end - t0 : kChunk);
    if (m == 0 || scan.moving) coefs.tile(k, t0, n, c);
    replay.run(body, rows, t0, n, c, scan.moving);
    for (int l = 0; l < n; ++l) {
      const int at = kBack ? n - 1 - l : l;
      for (int i = 0; i < C; ++i) wide[i] = cast<Wide>(c[scan.moving ? at : 0][i]);
      for (int i = 0; i < Op::kState && Body::kReplays; ++i) at_state[i] = cast<Wide>(replay.state(at)[i]);
      step_or_back<Op, kBack>(wide, at_state, cast<Wide>(replay.input(at)), s, Wide(0), S);
    }
  }
  const Maps<Wide> maps(scan, 0, rows.first);
  for (int i = 0; i < S; ++i) maps.matrix(part.place, i, j) = s[i];
}

template <class Op, class T, class Body>
__global__ void gain_parts(Body body, Scan scan, int k) {
  const std::int64_t parts = scan.count - 1, maps = scan.varied ? parts : 1;
  std::int64_t id = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  const bool offset = id < scan.rows * parts;
  if (!offset) id -= scan.rows * parts;
  const std::int64_t each = offset ? parts : maps, rest = id / each, row = rest % scan.rows, column = rest / scan.rows;
  if (column >= scan.states) return;
  const Rows rows{row, scan.rows, scan.channels};
  // One map for all is that of a part of full length, which the adjoint's first need not be.
  const Part<Body::kBack> part(scan, row, offset || scan.varied ? id % each : Body::kBack);
  if (offset)
    offset_of_part<Op, T>(body, rows, part, k);
  else
    column_of_part<Op, T>(body, rows, part, k, int(column));
}

/// The maps of level + 1, each of kGroup maps of `level`, a column a thread.
template <int N, class Wide>
__global__ void compose_maps(Scan scan, int level) {
  const int S = states_of<N>(scan);
  const std::int64_t groups = scan.slots(level + 1) - 1;  // the last is nobody's begin
  const std::int64_t id = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x, group = id % groups, rest = id / groups;
  const std::int64_t row = rest % scan.rows;
  const int column = int(rest / scan.rows);
  if (column > S || (column < S && !scan.varied && group != 0)) return;
  const Maps<Wide> from(scan, level, row), to(scan, level + 1, row);
  Wide s[N] = {};
  for (int i = 0; i < S; ++i) s[i] = Wide(i == column ? 1 : 0);
  for (std::int64_t slot = group * Scan::kGroup; slot < (group + 1) * Scan::kGroup; ++slot)
    move_state<N>(scan, from, slot, column == S, s);
  for (int i = 0; i < S; ++i) {
    if (column == S)
      to.offset(group, i) = s[i];
    else
      to.matrix(group, i, column) = s[i];
  }
}

/// The states before the slots of `level`, from those before the groups that they make.
template <int N, class Wide>
__global__ void spread_states(Scan scan, int level, int k) {
  const int S = states_of<N>(scan);
  const std::int64_t slots = scan.slots(level), groups = (slots + Scan::kGroup - 1) / Scan::kGroup;
  const std::int64_t id = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x, row = id / groups, group = id % groups;
  if (row >= scan.rows) return;
  const Maps<Wide> maps(scan, level, row);
  Wide s[N] = {};
  if (groups > 1) {
    const Maps<Wide> above(scan, level + 1, row);
    for (int i = 0; i < S; ++i) s[i] = above.state(group, 0, i);
  }
  const std::int64_t stop = (group + 1) * Scan::kGroup < slots ? (group + 1) * Scan::kGroup : slots;
  for (std::int64_t slot = group * Scan::kGroup; slot < stop; ++slot) {
    for (int i = 0; i < S; ++i) maps.state(slot, level == 0 ? k : 0, i) = s[i];
    if (slot + 1 < slots) move_state<N>(scan, maps, slot, true, s);
  }
}

/// The sums of the groups of level + 1.
template <class Wide>
__global__ void add_up_sums(Scan scan, int level) {
  const std::int64_t slots = scan.slots(level), groups = scan.slots(level + 1);
  const std::int64_t id = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x, group = id % groups, rest = id / groups;
  const int total = int(rest / scan.rows);
  const std::int64_t row = rest % scan.rows;
  if (total >= scan.stages * scan.sums) return;
  const Sums<Wide> from(scan, level, row), to(scan, level + 1, row);
  Wide sum(0);
  const std::int64_t stop = (group + 1) * Scan::kGroup < slots ? (group + 1) * Scan::kGroup : slots;
  for (std::int64_t slot = group * Scan::kGroup; slot < stop; ++slot) sum += from.total(slot, total);
  to.total(group, total) = sum;
}

/// What a row's sums are for.
template <class Wide, class Body>
__global__ void finish_sums(Body body, Scan scan) {
  const std::int64_t row = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row >= scan.rows) return;
  const int top = scan.top();
  const Sums<Wide> sums(scan, top, row);
  for (int k = 0; k < scan.stages; ++k) {
    Wide total[Body::kSums];
    for (int q = 0; q < scan.sums; ++q) {
      total[q] = Wide(0);
      for (std::int64_t slot = 0; slot < scan.slots(top); ++slot) total[q] += sums.total(slot, k * scan.sums + q);
    }
    body.template finish<Wide>(Rows{row, scan.rows, scan.channels}, k, total);
  }
}

/// What parts owe to a frame of a stage.
template <class Wide, class Body>
__global__ void finish_frames(Body body, Scan scan) {
  const std::int64_t id = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x, frame = id % scan.frames, rest = id / scan.frames;
  const std::int64_t row = rest % scan.rows;
  const int k = int(rest / scan.rows);
  if (k < scan.stages) body.template finish_frame<Wide>(Rows{row, scan.rows, scan.channels}, k, frame, scan);
}

/// Numbers in the memory that a call brings for its scan.
template <class Wide, class Body>
std::int64_t scan_memory(const Body& body) {
  const Scan scan(body, std::is_arithmetic_v<Wide>);
  return scan.count > 1 ? scan.all() * std::int64_t(sizeof(Wide) / sizeof(double)) : 0;
}

/// The states before all parts of stage `k`, from their maps.
template <int N, class Wide>
void launch_maps(const Call& call, const Scan& scan, int k) {
  const int top = scan.top();
  for (int l = 0; l < top; ++l)
    launch_threads(call, scan.rows * (scan.slots(l + 1) - 1) * (scan.states + 1), compose_maps<N, Wide>, scan, l);
  for (int l = top; l >= 0; --l) launch_threads(call, scan.rows * scan.slots(l + 1), spread_states<N, Wide>, scan, l, k);
}

/// The states before all parts.
template <class Op, class T, class Body>
void launch_scan(const Call& call, const Body& body, const Scan& scan) {
  using Wide = typename Traits<T>::Double;
  const std::int64_t rows = scan.rows, parts = rows * (scan.count - 1), columns = scan.states * (scan.varied ? parts : rows);
  for (int i = 0; i < scan.stages; ++i) {
    const int k = Body::kBack ? scan.stages - 1 - i : i;
    launch_threads(call, parts + columns, gain_parts<Op, std::conditional_t<Body::kPrecise, Wide, T>, Body>, body, scan, k);
    launch_maps<Op::kState, Wide>(call, scan, k);
  }
}

/// The same, of what is not linear.
template <class Op, class T, class Body>
void launch_settling(const Call& call, const Body& body, const Scan& scan) {
  for (int round = 0; round < kRounds; ++round) {
    launch_threads(call, scan.rows * (scan.count - 1), settle_parts<Op, T, Body>, body, scan, round);
    launch_maps<Op::kState, double>(call, scan, 0);
  }
  launch_threads(call, scan.rows * scan.groups(), find_loose<Op::kState>, scan);
  launch_threads(call, scan.rows, mend_rows<Op, T, Body>, body, scan);
}

template <class T, class Body>
void launch_parts(const Call& call, const Body& body) {
  using Wide = typename Traits<T>::Double;
  Scan scan(body, std::is_arithmetic_v<T>);
  if (scan.rows == 0) return;
  const OnDevice on(call.device);
  if (scan.count > 1) {
    if (call.scratch.bits != 64 || call.scratch.size[0] < scan_memory<Wide>(body))
      throw std::runtime_error("called without the memory for its scan");
    scan.memory = static_cast<double*>(call.scratch.data);
    bool large = false;
    if constexpr (requires { typename Body::Large; }) {
      large = scan.states > Body::Scanned::kState;
      if (large) launch_scan<typename Body::Large, T>(call, body, scan);
    }
    if constexpr (kSettles<Body>) {
      if constexpr (std::is_arithmetic_v<T>) launch_settling<typename Body::Scanned, T>(call, body, scan);
    } else if (!large) {
      launch_scan<typename Body::Scanned, T>(call, body, scan);
    }
  }
  launch_threads(call, scan.rows * scan.count, run_parts<T, Body>, body, scan);
  if (scan.count == 1) return;
  if constexpr (Body::kSums > 0) {
    const int top = scan.sums ? scan.top() : 0;
    for (int l = 0; l < top; ++l)
      launch_threads(call, scan.rows * scan.stages * scan.sums * scan.slots(l + 1), add_up_sums<Wide>, scan, l);
    if (scan.sums) launch_threads(call, scan.rows, finish_sums<Wide, Body>, body, scan);
  }
  if constexpr (Body::kBack && requires { body.owed(); })
    if (scan.owed) launch_threads(call, scan.rows * scan.stages * scan.frames, finish_frames<Wide, Body>, body, scan);
}

#endif

}  // namespace
}  // namespace dsp
