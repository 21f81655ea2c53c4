/* Runs a LADSPA plug-in as a host would, parameters moving, blocks of every length, under realtime.c.
 * With a second argument it sins on purpose: the checker must see it. */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ladspa.h"

enum { kLongest = 700, kPorts = 128 };

int main(int count, char** words) {
  void (*begin)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "realtime_begin");
  const char* (*end)(int*) = (const char* (*)(int*))dlsym(RTLD_DEFAULT, "realtime_end");
  void* library = dlopen(words[1], RTLD_NOW);
  if (begin == NULL || end == NULL || library == NULL) {
    fprintf(stderr, "not set up: %s\n", dlerror());
    return 2;
  }
  LADSPA_Descriptor_Function find = (LADSPA_Descriptor_Function)dlsym(library, "ladspa_descriptor");
  const LADSPA_Descriptor* d = find(0);
  LADSPA_Handle plugin = d->instantiate(d, 48000);
  static float audio[8][kLongest], controls[kPorts];
  int channel = 0;
  for (unsigned long p = 0; p < d->PortCount; ++p) {
    const int audible = LADSPA_IS_PORT_AUDIO(d->PortDescriptors[p]);
    const LADSPA_PortRangeHint* hint = &d->PortRangeHints[p];
    controls[p] = 0.5f * (hint->LowerBound + hint->UpperBound);
    d->connect_port(plugin, p, audible ? audio[channel++] : &controls[p]);
  }
  if (d->activate) d->activate(plugin);
  for (int block = 0; block < 400; ++block) {
    const unsigned long n = 1 + (unsigned long)(block * 37 % kLongest);
    for (int c = 0; c < 8; ++c)
      for (unsigned long i = 0; i < n; ++i) audio[c][i] = block < 300 ? sinf(0.01f * (float)(i + 7 * c)) : 0.0f;
    if (block % 20 == 10)
      for (unsigned long p = 0; p < d->PortCount; ++p) {
        const LADSPA_PortRangeHint* hint = &d->PortRangeHints[p];
        if (LADSPA_IS_PORT_CONTROL(d->PortDescriptors[p]) && LADSPA_IS_PORT_INPUT(d->PortDescriptors[p]))
          controls[p] = hint->LowerBound + (hint->UpperBound - hint->LowerBound) * (float)(block % 7) / 7.0f;
      }
    begin();
    d->run(plugin, n);
    if (count > 2) free(malloc(16));
    int sins = 0;
    const char* first = end(&sins);
    if (sins) {
      printf("%d sins, the first a %s\n", sins, first);
      return 1;
    }
    for (unsigned long i = 0; i < n; ++i)
      if (!isfinite(audio[2][i])) {
        printf("not finite\n");
        return 1;
      }
  }
  printf("no sins\n");
  if (d->deactivate) d->deactivate(plugin);
  d->cleanup(plugin);
  return 0;
}
