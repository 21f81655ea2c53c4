/* Preloaded before a plug-in: counts what a thread must not do while it computes audio. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static __thread int watched = 0;
static __thread int sins = 0;
static __thread const char* first = NULL;

static void sin_of(const char* name) {
  if (watched) {
    if (sins++ == 0) first = name;
  }
}
void realtime_begin(void) { watched = 1; }
const char* realtime_end(int* count) {
  watched = 0;
  *count = sins;
  return first;
}

extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);
extern void __libc_free(void*);

void* malloc(size_t n) { sin_of("malloc"); return __libc_malloc(n); }
void* calloc(size_t n, size_t m) { sin_of("calloc"); return __libc_calloc(n, m); }
void* realloc(void* p, size_t n) { sin_of("realloc"); return __libc_realloc(p, n); }
void* memalign(size_t a, size_t n) { sin_of("memalign"); return __libc_memalign(a, n); }
void* aligned_alloc(size_t a, size_t n) { sin_of("aligned_alloc"); return __libc_memalign(a, n); }
int posix_memalign(void** p, size_t a, size_t n) {
  sin_of("posix_memalign");
  *p = __libc_memalign(a, n);
  return *p ? 0 : 12;
}
void free(void* p) { sin_of("free"); __libc_free(p); }

#define NEXT(result, name, parameters, arguments)                         \
  result name parameters {                                                \
    static result(*next) parameters = NULL;                               \
    if (next == NULL) next = (result(*) parameters)dlsym(RTLD_NEXT, #name); \
    sin_of(#name);                                                        \
    return next arguments;                                                \
  }
NEXT(int, pthread_mutex_lock, (pthread_mutex_t * m), (m))
NEXT(int, pthread_mutex_trylock, (pthread_mutex_t * m), (m))
NEXT(int, pthread_rwlock_rdlock, (pthread_rwlock_t * m), (m))
NEXT(int, pthread_rwlock_wrlock, (pthread_rwlock_t * m), (m))
NEXT(int, pthread_cond_wait, (pthread_cond_t * c, pthread_mutex_t* m), (c, m))
NEXT(int, pthread_create, (pthread_t * t, const pthread_attr_t* a, void* (*f)(void*), void* x), (t, a, f, x))
NEXT(int, nanosleep, (const struct timespec* a, struct timespec* b), (a, b))
NEXT(FILE*, fopen, (const char* p, const char* m), (p, m))
NEXT(long, read, (int f, void* p, size_t n), (f, p, n))
NEXT(long, write, (int f, const void* p, size_t n), (f, p, n))
NEXT(int, close, (int f), (f))
int open(const char* path, int flags, ...) {
  static int (*next)(const char*, int, ...) = NULL;
  va_list more;
  va_start(more, flags);
  const int mode = va_arg(more, int);
  va_end(more);
  if (next == NULL) next = (int (*)(const char*, int, ...))dlsym(RTLD_NEXT, "open");
  sin_of("open");
  return next(path, flags, mode);
}
