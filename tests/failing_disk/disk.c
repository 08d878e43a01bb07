/* Stands between a process and its disk (LD_PRELOAD): what is written to a file fails where a file of its name and one of these endings is beside it.
 *
 *   .full      Nothing more fits: some of what is written gets there, and the rest is refused.
 *   .unsynced  All of it gets there, and then it cannot be made durable.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int is_marked(int file, const char *ending) {
  char link[32], path[PATH_MAX + 16];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, PATH_MAX);
  if (length < 0) return 0;
  strcpy(path + length, ending);
  return access(path, F_OK) == 0;
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t place) {
  static ssize_t (*beneath)(int, const void *, size_t, off64_t);
  if (!beneath) beneath = dlsym(RTLD_NEXT, "pwrite64");
  if (!is_marked(file, ".full")) return beneath(file, bytes, count, place);
  if (count > 1) return beneath(file, bytes, count / 2, place);
  errno = ENOSPC;
  return -1;
}

int fsync(int file) {
  static int (*beneath)(int);
  if (!beneath) beneath = dlsym(RTLD_NEXT, "fsync");
  if (!is_marked(file, ".unsynced")) return beneath(file);
  errno = EIO;
  return -1;
}
