/* Preloaded into an engine: counts what it does to files below one folder, stops it before the m-th until it is told to go on, or
   in the middle of each, and kills it in the middle of the n-th. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static char root[PATH_MAX];
static atomic_long count;
static long held = -1, last = -1; /* held: 0 is each */
static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER; /* is held in the middle at a time */

void crash_arm(const char *folder, long hold, long at) {
    strncpy(root, folder, sizeof root - 1); count = 0; held = hold; last = at;
}
long crash_count(void) { return count; }

static int below(const char *path) { return root[0] && strncmp(path, root, strlen(root)) == 0; }

static int opened(int fd) {
    char link[64], path[PATH_MAX];
    if (!root[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

static int here(void) {
    long n = atomic_fetch_add(&count, 1) + 1;
    if (n == held) raise(SIGSTOP);
    if (held == 0) pthread_mutex_lock(&one);
    return n == last || held == 0;
}
static void middle(void) {
    if (held == 0) { raise(SIGSTOP); pthread_mutex_unlock(&one); return; }
    kill(getpid(), SIGKILL); for (;;) pause();
}

#define REAL(type, name, ...) static type (*real)(__VA_ARGS__); if (!real) real = dlsym(RTLD_NEXT, #name)
/* A write is torn: half of it arrives. */
#define TORN(half) if (opened(fd) && here()) { if (n > 1) half; middle(); }
#define BEFORE(condition) if ((condition) && here()) middle()

ssize_t write(int fd, const void *b, size_t n) { REAL(ssize_t, write, int, const void *, size_t); ssize_t m = 0; TORN(m = real(fd, b, n / 2)) return m < 0 ? m : m + real(fd, (const char *)b + m, n - m); }
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t o) { REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t); TORN(real(fd, b, n / 2, o)) return real(fd, b, n, o); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t o) { REAL(ssize_t, pwrite, int, const void *, size_t, off_t); TORN(real(fd, b, n / 2, o)) return real(fd, b, n, o); }
int fsync(int fd) { REAL(int, fsync, int); BEFORE(opened(fd)); return real(fd); }
int fdatasync(int fd) { REAL(int, fdatasync, int); BEFORE(opened(fd)); return real(fd); }
int ftruncate64(int fd, off64_t n) { REAL(int, ftruncate64, int, off64_t); BEFORE(opened(fd)); return real(fd, n); }
int ftruncate(int fd, off_t n) { REAL(int, ftruncate, int, off_t); BEFORE(opened(fd)); return real(fd, n); }
int rename(const char *a, const char *b) { REAL(int, rename, const char *, const char *); BEFORE(below(a)); return real(a, b); }
int unlink(const char *a) { REAL(int, unlink, const char *); BEFORE(below(a)); return real(a); }
int unlinkat(int fd, const char *a, int f) { REAL(int, unlinkat, int, const char *, int); BEFORE(below(a) || opened(fd)); return real(fd, a, f); }
int rmdir(const char *a) { REAL(int, rmdir, const char *); BEFORE(below(a)); return real(a); }
int mkdir(const char *a, mode_t m) { REAL(int, mkdir, const char *, mode_t); BEFORE(below(a)); return real(a, m); }
