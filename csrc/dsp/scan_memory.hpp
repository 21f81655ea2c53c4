// How dsp/scan.hpp divides rows along time, and what lies where in the memory that a call brings for it. `Wide` is double, or a
// dual of it where a derivative along a direction is taken.
#pragma once

#include "dsp/launch.hpp"
#include "dsp/parts.hpp"
#include "dsp/tile.hpp"

namespace dsp {
namespace {

#ifdef __CUDACC__

/// Is the body what is not linear, forwards?
template <class Body>
constexpr bool kSettles = false;
template <class Body>
  requires Body::kSettles
constexpr bool kSettles<Body> = true;

/// How the rows of a call are divided, and where the maps lie in the memory that it brings.
struct Scan {
  static constexpr std::int64_t kThreads = 1 << 16;  // a Hopper holds 132 x 512 with the registers that a part takes
  static constexpr std::int64_t kMatrices = 1 << 21; // numbers of the parts' matrices: 16 MB
  static constexpr std::int64_t kShortest = 128;     // samples of a part
  static constexpr std::int64_t kFewest = 8;         // parts that are worth three launches more
  static constexpr std::int64_t kFewestSettling = 256;  // and some forty launches
  static constexpr std::int64_t kGroup = 64;

  double* memory;
  std::int64_t rows, channels, length, span, count, frames;
  std::int32_t stages, states, sums, owed;  // of a stage: states, totals, numbers that a part owes to two frames
  bool moving;   // coefficients
  bool varied;   // maps: with the coefficients, or with the states of what is not linear
  bool settles;  // what is not linear, forwards: dsp/settle.hpp

  /// `plain`: of numbers, not of duals.
  template <class Body>
  Scan(const Body& body, [[maybe_unused]] bool plain)
      : memory(nullptr), rows(body.rows()), channels(body.signal().size(1)), length(body.signal().size(2)), span(length), count(1),
        frames(0), stages(body.stages()), states(body.states()), sums(body.sums()), owed(0), moving(body.moves()),
        varied(moving || Body::kReplays || kSettles<Body>), settles(kSettles<Body>) {
    if constexpr (Body::kBack && requires { body.owed(); }) owed = body.owed(), frames = owed ? body.frames() : 0;
    if (!body.divisible() || rows == 0 || stages == 0 || (settles && !plain)) return;
    std::int64_t most = kThreads / rows;
    if (length / kShortest < most) most = length / kShortest;
    if (varied && kMatrices / (rows * states * states) < most) most = kMatrices / (rows * states * states);
    if (most < (settles ? kFewestSettling : kFewest)) return;
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
  DSP_HD std::int64_t matrices(int level) const { return varied ? slots(level) : 1; }

  /// Numbers of `levels` levels: matrices, offsets, states.
  DSP_HD std::int64_t size(int levels) const {
    std::int64_t n = 0;
    for (int l = 0; l < levels; ++l) n += rows * states * (states * matrices(l) + (l == 0 ? stages + 1 : 2) * slots(l));
    return n;
  }
  /// And of the sums of as many.
  DSP_HD std::int64_t sums_size(int levels) const {
    std::int64_t n = 0;
    for (int l = 0; l < levels; ++l) n += rows * stages * sums * slots(l);
    return n;
  }
  DSP_HD std::int64_t maps_and_sums() const { return size(top() + 1) + sums_size(top() + 1); }
  /// Where a part meets a frame: going along time, one of both moves on, so their sum counts the meetings.
  DSP_HD std::int64_t meetings() const { return count + frames; }
  /// Groups of parts that have maps.
  DSP_HD std::int64_t groups() const { return (count - 1 + kGroup - 1) / kGroup; }
  std::int64_t all() const {
    return maps_and_sums() + rows * stages * owed * (owed ? meetings() : 0) + (settles ? rows * (states * count + groups()) : 0);
  }
};

/// The maps s -> A s + b of one row at a level, and the states before its slots, of which the parts' have a stage.
template <class Wide>
struct Maps {
  Wide *a, *b, *s;
  std::int64_t a_step, step;  // from one number of a map to the next
  int states;
  bool varied;

  DSP_HD Maps(const Scan& scan, int level, std::int64_t row) : states(scan.states), varied(scan.varied) {
    const std::int64_t slots = scan.slots(level), matrices = scan.matrices(level);
    a_step = scan.rows * matrices;
    step = scan.rows * slots;
    Wide* from = reinterpret_cast<Wide*>(scan.memory) + scan.size(level);
    a = from + row * matrices;
    b = from + states * states * a_step + row * slots;
    s = b + states * step;
  }
  DSP_HD Wide& matrix(std::int64_t slot, int i, int j) const { return a[(i * states + j) * a_step + (varied ? slot : 0)]; }
  DSP_HD Wide& offset(std::int64_t slot, int i) const { return b[i * step + slot]; }
  DSP_HD Wide& state(std::int64_t slot, int k, int i) const { return s[(k * states + i) * step + slot]; }
};

/// States that the loops over a map count: known to the compiler where there are few.
template <int N>
DSP_HD int states_of(const Scan& scan) {
  return N > 4 ? scan.states : N;
}

/// The state after a slot, or what the slot's matrix makes of it alone.
template <int N, class Wide>
DSP_HD void move_state(const Scan& scan, const Maps<Wide>& maps, std::int64_t slot, bool offset, Wide* s) {
  const int S = states_of<N>(scan);
  Wide next[N] = {};
  for (int i = 0; i < S; ++i) {
    next[i] = offset ? maps.offset(slot, i) : Wide(0);
    for (int j = 0; j < S; ++j) next[i] += maps.matrix(slot, i, j) * s[j];
  }
  for (int i = 0; i < S; ++i) s[i] = next[i];
}

/// What the slots of a row at a level add to the totals.
template <class Wide>
struct Sums {
  Wide* at;
  std::int64_t step;

  DSP_HD Sums(const Scan& scan, int level, std::int64_t row) {
    const std::int64_t slots = scan.slots(level);
    step = scan.rows * slots;
    at = reinterpret_cast<Wide*>(scan.memory) + scan.size(scan.top() + 1) + scan.sums_size(level) + row * slots;
  }
  DSP_HD Wide& total(std::int64_t slot, int q) const { return at[q * step + slot]; }
};

/// What a part owes to a frame and the one after.
template <class Wide>
DSP_HD Wide* owed_at(const Scan& scan, std::int64_t row, int k, std::int64_t meeting) {
  return reinterpret_cast<Wide*>(scan.memory) + scan.maps_and_sums() + ((row * scan.stages + k) * scan.meetings() + meeting) * scan.owed;
}

/// One part: `place` counts in the order of the scan, which the adjoint takes from the end.
template <bool kBack>
struct Part {
  const Scan& scan;
  std::int64_t row, place, begin, end;
  bool first, last, whole;

  DSP_HD Part(const Scan& s, std::int64_t r, std::int64_t p) : scan(s), row(r), place(p), whole(s.count == 1) {
    begin = in_time() * s.span;
    end = begin + s.span < s.length ? begin + s.span : s.length;
    first = in_time() == 0;
    last = in_time() == s.count - 1;
  }
  DSP_HD std::int64_t in_time() const { return kBack ? scan.count - 1 - place : place; }
  template <class T>
  DSP_HD T state(int k, int i) const {
    return cast<T>(Maps<typename Traits<T>::Double>(scan, 0, row).state(place, k, i));
  }
  template <class T>
  DSP_HD void add_up(int k, int q, const T& x) const {
    using Wide = typename Traits<T>::Double;
    if (q < scan.sums) Sums<Wide>(scan, 0, row).total(place, k * scan.sums + q) = cast<Wide>(x);
  }
  /// Where it puts what it owes to a frame and the one after; null where nobody asks.
  template <class Wide>
  DSP_HD Wide* owing(int k, std::int64_t frame) const { return scan.owed ? owed_at<Wide>(scan, row, k, in_time() + frame) : nullptr; }
};

#endif

}  // namespace
}  // namespace dsp
