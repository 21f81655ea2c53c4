/* Plays an exported C library as a host would, parameters moving, keys going up and down, blocks of every
 * length, under realtime.c. With a second argument it sins on purpose: the checker must see it. */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "dspcore.h"

enum { kLongest = 700, kRows = 8 };

#define FUNCTION(result, name, parameters) result(*name) parameters = (result(*) parameters)dlsym(library, "dspcore_" #name)

int main(int count, char** words) {
  void (*begin)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "realtime_begin");
  const char* (*end)(int*) = (const char* (*)(int*))dlsym(RTLD_DEFAULT, "realtime_end");
  void* library = dlopen(words[1], RTLD_NOW);
  if (begin == NULL || end == NULL || library == NULL) {
    fprintf(stderr, "not set up: %s\n", dlerror());
    return 2;
  }
  FUNCTION(dspcore_chain*, create, (double));
  FUNCTION(void, destroy, (dspcore_chain*));
  FUNCTION(int, parameters, (void));
  FUNCTION(const dspcore_parameter*, describe, (int));
  FUNCTION(void, set, (dspcore_chain*, int, double));
  FUNCTION(void, process, (dspcore_chain*, const float* const*, float* const*, int64_t));
  FUNCTION(void, note_on, (dspcore_chain*, int, int));
  FUNCTION(void, note_off, (dspcore_chain*, int));
  FUNCTION(void, reset, (dspcore_chain*));
  dspcore_chain* chain = create(48000.0);
  static float in[kRows][kLongest], out[kRows][kLongest];
  const float* inputs[kRows];
  float* outputs[kRows];
  for (int c = 0; c < kRows; ++c) {
    inputs[c] = in[c];
    outputs[c] = out[c];
  }
  float loudest = 0;
  for (int block = 0; block < 400; ++block) {
    const int64_t n = 1 + block * 37 % kLongest;
    for (int c = 0; c < kRows; ++c)
      for (int i = 0; i < n; ++i) in[c][i] = block < 300 ? sinf(0.01f * (float)(i + 7 * c)) : 0.0f;
    begin();
    for (int i = 0; block % 20 == 10 && i < parameters(); ++i) {
      const dspcore_parameter* p = describe(i);
      set(chain, i, p->minimum + (p->maximum - p->minimum) * (block % 7) / 7.0);
    }
    if (block % 3 == 0) note_on(chain, 30 + block % 61, 1 + block % 127);
    if (block % 4 == 0) note_off(chain, 30 + block % 61);
    if (block == 350) note_off(chain, -1);
    if (block == 380) reset(chain);
    process(chain, inputs, outputs, n);
    if (count > 2) free(malloc(16));
    int sins = 0;
    const char* first = end(&sins);
    if (sins) {
      printf("%d sins, the first a %s\n", sins, first);
      return 1;
    }
    for (int i = 0; i < n; ++i) loudest = isfinite(out[0][i]) ? fmaxf(loudest, fabsf(out[0][i])) : INFINITY;
  }
  printf(isfinite(loudest) ? loudest > 1e-4f ? "no sins\n" : "silent\n" : "not finite\n");
  destroy(chain);
  return 0;
}
