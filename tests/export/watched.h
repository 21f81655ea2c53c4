/* What the watched programs share: a library, opened under realtime.c, and the verdict on each block. */
#pragma once
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { kBlocks = 400, kLongest = 700, kRows = 8 };

static void (*watch_begin)(void);
static const char* (*watch_end)(int*);

/* The library of the first word, or NULL where that or the checker is missing. */
static void* opened(char** words) {
  watch_begin = (void (*)(void))dlsym(RTLD_DEFAULT, "realtime_begin");
  watch_end = (const char* (*)(int*))dlsym(RTLD_DEFAULT, "realtime_end");
  void* library = dlopen(words[1], RTLD_NOW);
  if (watch_begin && watch_end && library) return library;
  fprintf(stderr, "not set up: %s\n", dlerror());
  return NULL;
}
/* Blocks of every length. */
static int length_of(int block) { return 1 + block * 37 % kLongest; }
/* A sound that falls silent. */
static void fill(float audio[kRows][kLongest], int block) {
  for (int c = 0; c < kRows; ++c)
    for (int i = 0; i < length_of(block); ++i) audio[c][i] = block < 300 ? sinf(0.01f * (float)(i + 7 * c)) : 0.0f;
}
/* Ends what `watch_begin` began; with a second word it sins on purpose, which the checker must see. */
static int sinned(int count) {
  if (count > 2) free(malloc(16));
  int sins = 0;
  const char* first = watch_end(&sins);
  if (sins) printf("%d sins, the first a %s\n", sins, first);
  return sins;
}
