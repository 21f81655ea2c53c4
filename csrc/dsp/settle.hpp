// Recursions that are not linear, divided along time on CUDA all the same (dsp/scan.hpp divides linear ones). Newton's method finds
// the states at the begins of all parts at once: every part runs from the state it is thought to begin with, on dual numbers, which
// gives the straight line that its map is there, s -> A s + b; a scan of those gives the next states (Y. H. Lim et al., "Parallelizing
// Non-Linear Sequential Models over the Sequence Length", ICLR 2024, with parts in the place of samples). Of pieces of straight lines,
// as smoothers with attack and release are, it is exact once every part meets the branches that it met before; a part whose begin has
// stayed is not run again. How many rounds it takes depends on the signal, and what is captured in a graph cannot ask, so there are
// always kRounds, of which the last are over at once; what has not settled then is gone through part after part by a thread a row
// (mend_rows), so that the result is right whatever the signal. States are float64; then every part runs as the whole row would.
//
// A body that settles has kSettles, one stage, Scanned (the op: on Dual<double, kState> too), signal(), entry<T>(rows, 0, i), Coefs<T>.
#pragma once

#include "dsp/scan_memory.hpp"

namespace dsp {
namespace {

#ifdef __CUDACC__

/// Rounds of Newton's method: smoothers of 20 seconds and of ten minutes of drums, speech and noise take 6 to 8 (bench/settling.py).
constexpr int kRounds = 10;

/// Near enough that a part need not run again: far below what float64 audio keeps of a sum.
DSP_HD bool settled(double a, double b) { return abs_(a - b) <= 1e-12 * max_(abs_(a), abs_(b)); }

/// The states that the maps of a row were found at, and for each group of parts a 1 where one has not settled.
template <int N>
struct Tried {
  double *at, *loose;
  std::int64_t step;

  DSP_HD Tried(const Scan& scan, std::int64_t row) : step(scan.rows * scan.count) {
    at = scan.memory + scan.maps_and_sums() + row * scan.count;
    loose = scan.memory + scan.maps_and_sums() + N * step + row * scan.groups();
  }
  DSP_HD double& state(std::int64_t place, int i) const { return at[i * step + place]; }
  DSP_HD bool holds(const Maps<double>& maps, std::int64_t place) const {
    bool all = true;
    for (int i = 0; i < N; ++i) all = all && settled(maps.state(place, 0, i), state(place, i));
    return all;
  }
};

/// The state `s` after a part, from that before it.
template <class Op, class T, class Body, class W>
DSP_HD void walk_part(const Body& body, const Rows& rows, const Part<false>& part, W* s) {
  constexpr int C = Op::kCoefs;
  typename Body::template Coefs<T> coefs(body, rows);
  T c[kChunk][C], tile[kChunk];
  double plain[C] = {};
  W wide[C];
  for (std::int64_t t0 = part.begin; t0 < part.end; t0 += kChunk) {
    const int n = int(part.end - t0 < kChunk ? part.end - t0 : kChunk);
    load_tile(body.signal(), rows, t0, n, tile);
    if (t0 == part.begin || part.scan.moving) coefs.tile(0, t0, n, c);
    for (int l = 0; l < n; ++l) {
      for (int i = 0; i < C && (l == 0 || part.scan.moving); ++i) {
        plain[i] = double(c[part.scan.moving ? l : 0][i]);
        wide[i] = W(plain[i]);
      }
      if constexpr (requires { Op::follow(wide, s, wide[0]); })
        Op::follow(wide, s, W(Op::listen(plain, double(tile[l]))));
      else
        Op::step(wide, s, W(double(tile[l])));
    }
  }
}

/// The maps of the parts whose begin has moved.
template <class Op, class T, class Body>
__global__ void settle_parts(Body body, Scan scan, int round) {
  constexpr int N = Op::kState;
  const std::int64_t id = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x, parts = scan.count - 1, row = id / parts, place = id % parts;
  if (row >= scan.rows) return;
  const Rows rows{row, scan.rows, scan.channels};
  const Maps<double> maps(scan, 0, row);
  const Tried<N> tried(scan, row);
  if (round > 0 && (place == 0 || tried.holds(maps, place))) return;
  Dual<double, N> s[N];
  double begin[N];
  for (int i = 0; i < N; ++i) {
    begin[i] = round == 0 ? double(body.template entry<T>(rows, 0, i)) : maps.state(place, 0, i);
    tried.state(place, i) = begin[i];
    s[i] = Dual<double, N>(begin[i]);
    s[i].d[i] = 1;
  }
  walk_part<Op, T>(body, rows, Part<false>(scan, row, place), s);
  for (int i = 0; i < N; ++i) {
    double offset = s[i].v;
    for (int j = 0; j < N; ++j) {
      maps.matrix(place, i, j) = s[i].d[j];
      // The first part runs from the true state, so that what is scanned begins with nothing.
      if (place != 0) offset -= s[i].d[j] * begin[j];
    }
    maps.offset(place, i) = offset;
  }
}

/// Which groups of parts have one whose map was found elsewhere.
template <int N>
__global__ void find_loose(Scan scan) {
  const std::int64_t id = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x, row = id / scan.groups(), group = id % scan.groups();
  if (row >= scan.rows) return;
  const Maps<double> maps(scan, 0, row);
  const Tried<N> tried(scan, row);
  const std::int64_t parts = scan.count - 1, stop = (group + 1) * Scan::kGroup < parts ? (group + 1) * Scan::kGroup : parts;
  bool all = true;
  for (std::int64_t place = group * Scan::kGroup; place < stop; ++place) all = all && (place == 0 || tried.holds(maps, place));
  tried.loose[group] = all ? 0 : 1;
}

/// The states after those parts, and on as far as that moves what follows.
template <class Op, class T, class Body>
__global__ void mend_rows(Body body, Scan scan) {
  constexpr int N = Op::kState;
  const std::int64_t row = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x, parts = scan.count - 1;
  if (row >= scan.rows) return;
  const Rows rows{row, scan.rows, scan.channels};
  const Maps<double> maps(scan, 0, row);
  const Tried<N> tried(scan, row);
  bool moved = false;
  for (std::int64_t place = 1; place < parts; ++place) {
    if (!moved && place % Scan::kGroup == 0 && tried.loose[place / Scan::kGroup] == 0) {
      place += Scan::kGroup - 1;
      continue;
    }
    const bool found = tried.holds(maps, place);
    if (found && !moved) continue;
    double s[N];
    for (int i = 0; i < N; ++i) s[i] = maps.state(place, 0, i);
    if (found)
      move_state<N>(scan, maps, place, true, s);
    else
      walk_part<Op, T>(body, rows, Part<false>(scan, row, place), s);
    moved = false;
    for (int i = 0; i < N; ++i) {
      moved = moved || !settled(s[i], maps.state(place + 1, 0, i));
      maps.state(place + 1, 0, i) = s[i];
    }
  }
}

#endif

}  // namespace
}  // namespace dsp
