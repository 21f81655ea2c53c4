/* LADSPA plug-ins for the tests: out = gain * tanh((1 + 9 drive) in), and what goes wrong on the way.
 * Each misbehaves in its way where its third control, Fate, is above 0.75; and any one once, in the
 * way that the file called DSPCORE_TEST_ONCE says, when that file is there (it is removed first). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef float Data;
typedef struct { int bits; float low, high; } Hint;
typedef struct Descriptor {
  unsigned long unique; const char *label; int properties; const char *name, *maker, *copyright;
  unsigned long port_count; const int *ports; const char *const *port_names; const Hint *hints;
  void *data;
  void *(*instantiate)(const struct Descriptor *, unsigned long);
  void (*connect_port)(void *, unsigned long, Data *);
  void (*activate)(void *);
  void (*run)(void *, unsigned long);
  void (*run_adding)(void *, unsigned long);
  void (*set_gain)(void *, Data);
  void (*deactivate)(void *);
  void (*cleanup)(void *);
} Descriptor;

typedef struct { Data *port[5]; const char *kind; double heard; } Plugin;

static void *instantiate(const Descriptor *d, unsigned long rate) {
  (void)rate;
  Plugin *p = calloc(1, sizeof(Plugin));
  p->kind = d->label;
  return p;
}
static void connect(void *h, unsigned long port, Data *where) { ((Plugin *)h)->port[port] = where; }
static void cleanup(void *h) { free(h); }

static void go_wrong(Plugin *p, const char *kind, unsigned long n) {
  if (!strcmp(kind, "segv")) { fprintf(stderr, "about to write nowhere\n"); *(volatile int *)0 = 1; }
  if (!strcmp(kind, "abort")) abort();
  if (!strcmp(kind, "exit")) exit(3);
  if (!strcmp(kind, "loop")) for (volatile int i = 0;; i++) {}
  if (!strcmp(kind, "nan")) for (unsigned long i = 0; i < n; i++) p->port[1][i] = (float)NAN;
  if (!strcmp(kind, "loud")) for (unsigned long i = 0; i < n; i++) p->port[1][i] = 1e20f;
  if (!strcmp(kind, "hog")) for (;;) { char *m = malloc(1 << 24); if (m) memset(m, 1, 1 << 24); else usleep(1000); }
}

static void run(void *h, unsigned long n) {
  Plugin *p = h;
  const char *once = getenv("DSPCORE_TEST_ONCE");
  float gain = *p->port[2], drive = *p->port[3], fate = *p->port[4];
  for (unsigned long i = 0; i < n; i++)
    p->port[1][i] = (float)(gain * tanh((1.0 + 9.0 * drive) * p->port[0][i]));
  if (!strcmp(p->kind, "echo"))
    for (unsigned long i = 0; i < n; i++) { p->heard = 0.5 * p->heard + p->port[1][i]; p->port[1][i] = (float)p->heard; }
  if (!strcmp(p->kind, "dice")) for (unsigned long i = 0; i < n; i++) p->port[1][i] += 1e-3f * (rand() % 1000);
  if (fate > 0.75f) go_wrong(p, p->kind, n);
  char word[16] = "";
  FILE *file = once ? fopen(once, "r") : 0;
  if (file) {
    if (!fgets(word, sizeof word, file)) word[0] = 0;
    fclose(file);
    if (word[0] && !unlink(once)) go_wrong(p, word, n);
  }
}

static const int ports[] = {9, 10, 5, 5, 5};
static const char *const names[] = {"In", "Out", "Gain", "Drive", "Fate"};
static const Hint hints[5];
static const char *const kinds[] = {"good", "segv", "abort", "exit", "loop", "nan", "loud", "hog", "echo", "dice"};
static Descriptor made[10];

const Descriptor *ladspa_descriptor(unsigned long index) {
  if (index >= sizeof(kinds) / sizeof(*kinds)) return 0;
  Descriptor d = {index, kinds[index], 0, kinds[index], "tests", "none", 5, ports, names, hints, 0,
                  instantiate, connect, 0, run, 0, 0, 0, cleanup};
  made[index] = d;
  return &made[index];
}
