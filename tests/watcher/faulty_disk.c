/* Lets writes and syncs of some files fail, as a broken or a full disk would. Loaded before the C library.
 *
 * FAULTY_SWITCH  path of a file: calls fail while it exists. Each failure adds a byte to the file of that name
 *                with ".failed" appended.
 * FAULTY_FILES   the end of the names of the files that are struck, as in "-wal"
 * FAULTY_CALLS   "sync" or "write"
 * FAULTY_ERRNO   what the system says, as a number
 *
 * A write that fails is cut short first: of every three calls one passes, the next writes half, and the third
 * fails. So a page is torn in the middle.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static void note_failure(const char *file)
{
    char path[4096];
    int fd;
    ssize_t (*real_write)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");

    snprintf(path, sizeof path, "%s.failed", file);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        real_write(fd, ".", 1);
        close(fd);
    }
}

/* Whether a call of that kind on that file is to fail. */
static int is_struck(const char *calls, int fd)
{
    const char *wanted = getenv("FAULTY_CALLS"), *end = getenv("FAULTY_FILES"), *file = getenv("FAULTY_SWITCH");
    char link[64], path[4096];
    ssize_t length;

    if (!wanted || !end || !file || strcmp(wanted, calls) || access(file, F_OK))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    if (length < (ssize_t)strlen(end))
        return 0;
    path[length] = 0;
    return !strcmp(path + length - strlen(end), end);
}

static int fail(void)
{
    const char *number = getenv("FAULTY_ERRNO");

    note_failure(getenv("FAULTY_SWITCH"));
    errno = number ? atoi(number) : EIO;
    return -1;
}

/* How much of a write goes through; -1 for none and an error. */
static ssize_t share_of(int fd, size_t count)
{
    static unsigned calls;

    if (!is_struck("write", fd))
        return count;
    switch (__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED) % 3) {
    case 0:
        return count;
    case 1:
        if (count > 1)
            return count / 2;
        /* fall through */
    default:
        return fail();
    }
}

#define SYNC(name, parameters, arguments)                           \
    int name parameters                                             \
    {                                                               \
        int (*real) parameters = dlsym(RTLD_NEXT, #name);           \
        return is_struck("sync", fd) ? fail() : real arguments;     \
    }

SYNC(fsync, (int fd), (fd))
SYNC(fdatasync, (int fd), (fd))
SYNC(sync_file_range, (int fd, off64_t from, off64_t count, unsigned flags), (fd, from, count, flags))

#define WRITE(name, parameters, arguments)                          \
    ssize_t name parameters                                         \
    {                                                               \
        ssize_t(*real) parameters = dlsym(RTLD_NEXT, #name);        \
        ssize_t share = share_of(fd, count);                        \
        if (share < 0)                                              \
            return share;                                           \
        count = share;                                              \
        return real arguments;                                      \
    }

WRITE(write, (int fd, const void *bytes, size_t count), (fd, bytes, count))
WRITE(pwrite, (int fd, const void *bytes, size_t count, off_t at), (fd, bytes, count, at))
WRITE(pwrite64, (int fd, const void *bytes, size_t count, off64_t at), (fd, bytes, count, at))
