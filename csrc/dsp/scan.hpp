// Linear recursions on CUDA, divided along time: a part of a row to each thread, so that one long row fills
// the GPU as well as many. A part is an affine map of the state, s -> A s + b, and maps compose (G. Blelloch,
// "Prefix Sums and Their Applications", 1990; E. Martin and C. Cundy, "Parallelizing Linear Recurrent Neural
// Nets Over Sequence Length", ICLR 2018). Stage after stage of a cascade,
//
//   gain_parts     runs every part from a state of nothing, which leaves b, and finds A: the power of one step's matrix
//                  where coefficients are constant, else the product over the part; the first part runs from the
//                  true state, so that what is scanned begins with nothing
//   compose_maps   makes one map of kGroup maps, and of those again, until kGroup are left
//   spread_states  walks over the maps of a group, from the coarsest level down to the parts
//
// and then every part runs once more from its true state and writes what a whole row would. The adjoint goes
// the same way from the last sample on: its state does not depend on the signal. Maps are float64: an
// error of A is the same in every part, and in float32 took a 20 Hz corner with Q 10 from -115 to -102 dB. How
// rows are divided follows from shapes alone and sums have a fixed order: the same bits every time.
//
// A body that can be divided has kScans, kBack, kPrecise (finds states in float64), Scanned (the op), kMostStages and kSums (totals of a stage that all
// parts add up to), signal(), divisible(), stages(), moves(), sums(), entry<T>(rows, k, i), Coefs<T>, run_part<T>
// and, where it has sums, finish<double>.
#pragma once

#include "dsp/launch.hpp"
#include "dsp/parts.hpp"
#include "dsp/tile.hpp"

namespace dsp {
namespace {

#ifdef __CUDACC__

/// How the rows of a call are divided, and where the maps lie in the memory that it brings.
struct Scan {
  static constexpr std::int64_t kThreads = 1 << 16;  // a Hopper holds 132 x 512 with the registers that a part takes
  static constexpr std::int64_t kShortest = 128;     // samples of a part
  static constexpr std::int64_t kFewest = 8;         // parts that are worth three launches more
  static constexpr std::int64_t kGroup = 64;

  double* memory;
  std::int64_t rows, channels, length, span, count;
  std::int32_t stages, sums;
  bool moving;

  Scan(std::int64_t rows_, std::int64_t channels_, std::int64_t length_, int stages_, int sums_, bool moving_, bool divisible)
      : memory(nullptr), rows(rows_), channels(channels_), length(length_), span(length_), count(1),
        stages(stages_), sums(sums_), moving(moving_) {
    if (!divisible || rows == 0 || stages == 0) return;
    std::int64_t most = kThreads / rows;
    if (length / kShortest < most) most = length / kShortest;
    if (most < kFewest) return;
    span = ((length + most - 1) / most + kChunk - 1) / kChunk * kChunk;
    count = (length + span - 1) / span;
  }

  /// Parts at level 0, groups of the level below above it.
  DSP_HD std::int64_t slots(int level) const {
    std::int64_t n = count;
    for (; level > 0; --level) n = (n + kGroup - 1) / kGroup;
    return n;
  }
  DSP_HD int top() const {
    int level = 0;
    while (slots(level) > kGroup) ++level;
    return level;
  }
  DSP_HD std::int64_t matrices(int level) const { return moving ? slots(level) : 1; }

  /// Float64 numbers of `levels` levels with S states a stage: matrices, offsets, states.
  DSP_HD std::int64_t size(int S, int levels) const {
    std::int64_t n = 0;
    for (int l = 0; l < levels; ++l) n += rows * S * (S * matrices(l) + (l == 0 ? stages + 1 : 2) * slots(l));
    return n;
  }
  /// And of the sums of as many.
  DSP_HD std::int64_t sums_size(int levels) const {
    std::int64_t n = 0;
    for (int l = 0; l < levels; ++l) n += rows * stages * sums * slots(l);
    return n;
  }
  std::int64_t size(int S) const { return size(S, top() + 1) + sums_size(top() + 1); }
};

/// The maps s -> A s + b of one row at a level, and the states before its slots, of which the parts' have a stage.
template <int S>
struct Maps {
  double *a, *b, *s;
  std::int64_t a_step, step;  // from one number of a map to the next
  bool moving;

  DSP_HD Maps(const Scan& scan, int level, std::int64_t row) : moving(scan.moving) {
    const std::int64_t slots = scan.slots(level), matrices = scan.matrices(level);
    a_step = scan.rows * matrices;
    step = scan.rows * slots;
    double* from = scan.memory + scan.size(S, level);
    a = from + row * matrices;
    b = from + S * S * a_step + row * slots;
    s = b + S * step;
  }
  DSP_HD double& matrix(std::int64_t slot, int i, int j) const { return a[(i * S + j) * a_step + (moving ? slot : 0)]; }
  DSP_HD double& offset(std::int64_t slot, int i) const { return b[i * step + slot]; }
  DSP_HD double& state(std::int64_t slot, int k, int i) const { return s[(k * S + i) * step + slot]; }
};

/// What the slots of a row at a level add to the totals.
struct Sums {
  double* at;
  std::int64_t step;

  DSP_HD Sums(const Scan& scan, int states, int level, std::int64_t row) {
    const std::int64_t slots = scan.slots(level);
    step = scan.rows * slots;
    at = scan.memory + scan.size(states, scan.top() + 1) + scan.sums_size(level) + row * slots;
  }
  DSP_HD double& total(std::int64_t slot, int q) const { return at[q * step + slot]; }
};

/// One part: `place` counts in the order of the scan, which the adjoint takes from the end.
template <int S, bool kBack>
struct Part {
  const Scan& scan;
  std::int64_t row, place, begin, end;
  bool first, last, whole;

  DSP_HD Part(const Scan& s, std::int64_t r, std::int64_t p) : scan(s), row(r), place(p), whole(s.count == 1) {
    const std::int64_t part = kBack ? s.count - 1 - p : p;
    begin = part * s.span;
    end = begin + s.span < s.length ? begin + s.span : s.length;
    first = part == 0;
    last = part == s.count - 1;
  }
  template <class T>
  DSP_HD T state(int k, int i) const { return T(Maps<S>(scan, 0, row).state(place, k, i)); }
  template <class T>
  DSP_HD void add_up(int k, int q, const T& x) const {
    if (scan.sums) Sums(scan, S, 0, row).total(place, k * scan.sums + q) = double(x);
  }
};

/// One sample of a stage: forwards, or of its adjoint, where state and signal only touch what is not asked for.
template <class Op, bool kBack, class T>
DSP_HD T step_or_back(const T* c, T* s, T v) {
  if constexpr (kBack) {
    T nothing[Op::kState] = {}, gc[Op::kCoefs] = {};
    return Op::adjoint(c, nothing, T(0), v, s, gc);
  } else {
    return Op::step(c, s, v);
  }
}

template <int S>
DSP_HD void multiply_maps(const double (*a)[S], const double (*b)[S], double (*to)[S]) {
  double r[S][S];
  for (int i = 0; i < S; ++i)
    for (int j = 0; j < S; ++j) {
      r[i][j] = a[i][0] * b[0][j];
      for (int m = 1; m < S; ++m) r[i][j] += a[i][m] * b[m][j];
    }
  for (int i = 0; i < S; ++i)
    for (int j = 0; j < S; ++j) to[i][j] = r[i][j];
}

template <class T, class Body>
__global__ void run_parts(Body body, Scan scan) {
  const std::int64_t id = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x, row = id / scan.count;
  if (row >= scan.rows) return;
  body.template run_part<T>(row, scan.rows, Part<Body::Scanned::kState, Body::kBack>(scan, row, id % scan.count));
}

/// The map of stage `k` in every part but the last.
template <class T, class Body>
__global__ void gain_parts(Body body, Scan scan, int k) {
  using Op = typename Body::Scanned;
  constexpr int S = Op::kState, C = Op::kCoefs;
  constexpr bool kBack = Body::kBack;
  const std::int64_t id = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x, row = id / (scan.count - 1);
  if (row >= scan.rows) return;
  const Rows rows{row, scan.rows, scan.channels};
  const Part<S, kBack> part(scan, row, id % (scan.count - 1));
  typename Body::template Coefs<T> coefs(body, rows);
  T s[Body::kMostStages][S] = {}, c[kChunk][C], tile[kChunk];
  double power[S][S];  // column j of A in row j
  for (int j = 0; j < S; ++j)
    for (int i = 0; i < S; ++i) power[j][i] = i == j;
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
      T own[S];
      for (int i = 0; i < S; ++i) own[i] = s[q][i];
      for (int l = 0; l < n; ++l) {
        const int at = kBack ? n - 1 - l : l;
        tile[at] = step_or_back<Op, kBack>(c[scan.moving ? at : 0], own, tile[at]);
      }
      for (int i = 0; i < S; ++i) s[q][i] = own[i];
    }
    for (int l = 0; l < n && scan.moving; ++l) {
      double wide[C];
      for (int i = 0; i < C; ++i) wide[i] = double(c[kBack ? n - 1 - l : l][i]);
      for (int j = 0; j < S; ++j) step_or_back<Op, kBack>(wide, power[j], 0.0);
    }
  }
  const Maps<S> maps(scan, 0, row);
  for (int i = 0; i < S; ++i) maps.offset(part.place, i) = double(s[k][i]);
  if (!scan.moving) {
    if (part.place != 0) return;  // one for all: only the last part, and of the adjoint the first, is shorter
    double base[S][S], wide[C];
    coefs.tile(k, 0, 1, c);
    for (int i = 0; i < C; ++i) wide[i] = double(c[0][i]);
    for (int j = 0; j < S; ++j) {
      for (int i = 0; i < S; ++i) base[j][i] = i == j;
      step_or_back<Op, kBack>(wide, base[j], 0.0);
    }
    for (std::int64_t n = scan.span; n > 0; n /= 2) {
      if (n % 2) multiply_maps<S>(power, base, power);
      multiply_maps<S>(base, base, base);
    }
  }
  for (int i = 0; i < S; ++i)
    for (int j = 0; j < S; ++j) maps.matrix(part.place, i, j) = power[j][i];
}

/// The maps of level + 1, each of kGroup maps of `level`.
template <int S>
__global__ void compose_maps(Scan scan, int level) {
  const std::int64_t groups = scan.slots(level + 1) - 1;  // the last is nobody's begin
  const std::int64_t id = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x, row = id / groups, group = id % groups;
  if (row >= scan.rows) return;
  const Maps<S> from(scan, level, row), to(scan, level + 1, row);
  const bool matrix = scan.moving || group == 0;
  double a[S][S], all[S][S], b[S] = {};
  for (int i = 0; i < S; ++i)
    for (int j = 0; j < S; ++j) all[i][j] = i == j;
  for (std::int64_t slot = group * Scan::kGroup; slot < (group + 1) * Scan::kGroup; ++slot) {
    double next[S];
    for (int i = 0; i < S; ++i) {
      next[i] = from.offset(slot, i);
      for (int j = 0; j < S; ++j) a[i][j] = from.matrix(slot, i, j);
      for (int j = 0; j < S; ++j) next[i] += a[i][j] * b[j];
    }
    for (int i = 0; i < S; ++i) b[i] = next[i];
    if (matrix) multiply_maps<S>(a, all, all);
  }
  for (int i = 0; i < S; ++i) to.offset(group, i) = b[i];
  for (int i = 0; i < S; ++i)
    for (int j = 0; j < S && matrix; ++j) to.matrix(group, i, j) = all[i][j];
}

/// The states before the slots of `level`, from those before the groups that they make.
template <int S>
__global__ void spread_states(Scan scan, int level, int k) {
  const std::int64_t slots = scan.slots(level), groups = (slots + Scan::kGroup - 1) / Scan::kGroup;
  const std::int64_t id = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x, row = id / groups, group = id % groups;
  if (row >= scan.rows) return;
  const Maps<S> maps(scan, level, row);
  double s[S] = {};
  if (groups > 1) {
    const Maps<S> above(scan, level + 1, row);
    for (int i = 0; i < S; ++i) s[i] = above.state(group, 0, i);
  }
  const std::int64_t stop = (group + 1) * Scan::kGroup < slots ? (group + 1) * Scan::kGroup : slots;
  for (std::int64_t slot = group * Scan::kGroup; slot < stop; ++slot) {
    for (int i = 0; i < S; ++i) maps.state(slot, level == 0 ? k : 0, i) = s[i];
    if (slot + 1 == slots) break;
    double next[S];
    for (int i = 0; i < S; ++i) {
      next[i] = maps.offset(slot, i);
      for (int j = 0; j < S; ++j) next[i] += maps.matrix(slot, i, j) * s[j];
    }
    for (int i = 0; i < S; ++i) s[i] = next[i];
  }
}

/// The sums of the groups of level + 1.
template <int S>
__global__ void add_up_sums(Scan scan, int level) {
  const std::int64_t slots = scan.slots(level), groups = scan.slots(level + 1);
  const std::int64_t id = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x, group = id % groups, rest = id / groups;
  const int total = int(rest / scan.rows);
  const std::int64_t row = rest % scan.rows;
  if (total >= scan.stages * scan.sums) return;
  const Sums from(scan, S, level, row), to(scan, S, level + 1, row);
  double sum = 0.0;
  const std::int64_t stop = (group + 1) * Scan::kGroup < slots ? (group + 1) * Scan::kGroup : slots;
  for (std::int64_t slot = group * Scan::kGroup; slot < stop; ++slot) sum += from.total(slot, total);
  to.total(group, total) = sum;
}

/// What a row's sums are for.
template <class Body>
__global__ void finish_sums(Body body, Scan scan) {
  constexpr int S = Body::Scanned::kState;
  const std::int64_t row = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row >= scan.rows) return;
  const int top = scan.top();
  const Sums sums(scan, S, top, row);
  for (int k = 0; k < scan.stages; ++k) {
    double total[Body::kSums];
    for (int q = 0; q < Body::kSums; ++q) {
      total[q] = 0.0;
      for (std::int64_t slot = 0; slot < scan.slots(top); ++slot) total[q] += sums.total(slot, k * scan.sums + q);
    }
    body.template finish<double>(Rows{row, scan.rows, scan.channels}, k, total);
  }
}

template <class Body>
Scan scan_of(const Body& body) {
  return {body.rows(), body.signal().size(1), body.signal().size(2), body.stages(), body.sums() ? Body::kSums : 0,
          body.moves(), body.divisible()};
}

/// Float64 numbers that a call brings for its scan.
template <class Body>
std::int64_t scan_memory(const Body& body) {
  const Scan scan = scan_of(body);
  return scan.count > 1 ? scan.size(Body::Scanned::kState) : 0;
}

template <class Real, class Body>
void launch_parts(const Call& call, const Body& body) {
  constexpr int S = Body::Scanned::kState;
  Scan scan = scan_of(body);
  if (scan.rows == 0) return;
  const OnDevice on(call.device);
  if (scan.count > 1) {
    if (call.scratch.bits != 64 || call.scratch.size[0] < scan.size(S))
      throw std::runtime_error("called without the memory for its scan");
    scan.memory = static_cast<double*>(call.scratch.data);
    const std::int64_t rows = scan.rows;
    const int top = scan.top();
    for (int i = 0; i < scan.stages; ++i) {
      const int k = Body::kBack ? scan.stages - 1 - i : i;
      launch_threads(call, rows * (scan.count - 1), gain_parts<std::conditional_t<Body::kPrecise, double, Real>, Body>, body, scan, k);
      for (int l = 0; l < top; ++l) launch_threads(call, rows * (scan.slots(l + 1) - 1), compose_maps<S>, scan, l);
      for (int l = top; l >= 0; --l) launch_threads(call, rows * scan.slots(l + 1), spread_states<S>, scan, l, k);
    }
  }
  launch_threads(call, scan.rows * scan.count, run_parts<Real, Body>, body, scan);
  if constexpr (Body::kSums > 0) {
    if (scan.count == 1 || scan.sums == 0) return;
    const int top = scan.top();
    for (int l = 0; l < top; ++l)
      launch_threads(call, scan.rows * scan.stages * scan.sums * scan.slots(l + 1), add_up_sums<S>, scan, l);
    launch_threads(call, scan.rows, finish_sums<Body>, body, scan);
  }
}

#endif

}  // namespace
}  // namespace dsp
