// A disk that fails when it is told to and remembers what was written to it. The tests preload it into a server.
//
// It looks at the files of one folder (THEAZO_DISK_FOLDER) only. What fails is said in a small file that both sides map
// (THEAZO_DISK_ORDERS). Where THEAZO_DISK_LOG names a file, each change and each sync of the database is appended to it.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct orders {
    int32_t error;    // The number of the error; 0 while the disk is well.
    int32_t spared;   // How many operations still succeed.
    int32_t reads;    // Whether reads fail, too.
    int32_t refused;  // How many operations have failed.
};

struct record {
    uint32_t operation;  // 'w' for a write, 't' for a new length, 's' for a sync.
    uint32_t file;       // 0 for the database, 1 for its log.
    uint64_t offset;     // Of a write; the length for 't'.
    uint64_t length;     // Of what follows.
};

static const char *folder;
static struct orders *orders;
static int log_file = -1;
// What is appended to the log is in the order in which it was done.
static pthread_mutex_t in_order = PTHREAD_MUTEX_INITIALIZER;

static int open_now(const char *path, int flags, mode_t mode) {
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("THEAZO_DISK_ORDERS"), *log = getenv("THEAZO_DISK_LOG");
    if (path == NULL) return;
    int file = open_now(path, O_RDWR | O_CLOEXEC, 0);
    void *mapped = mmap(NULL, sizeof(struct orders), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) abort();
    orders = mapped;
    if (log != NULL) log_file = open_now(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    folder = getenv("THEAZO_DISK_FOLDER");
}

static int is_inside(const char *path) {
    size_t length = folder == NULL ? 0 : strlen(folder);
    return length > 0 && strncmp(path, folder, length) == 0 && path[length] == '/';
}

// The path of an open file of the folder, or nothing.
static const char *path_of(int file, char *path) {
    char link[40];
    if (folder == NULL) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length < 0) return NULL;
    path[length] = 0;
    return is_inside(path) ? path : NULL;
}

static int is_refused(int is_read) {
    int32_t error = __atomic_load_n(&orders->error, __ATOMIC_SEQ_CST);
    if (error == 0 || (is_read && !orders->reads)) return 0;
    if (__atomic_fetch_sub(&orders->spared, 1, __ATOMIC_SEQ_CST) > 0) return 0;
    __atomic_fetch_add(&orders->refused, 1, __ATOMIC_SEQ_CST);
    errno = error;
    return 1;
}

static int logged_file(const char *path) {
    size_t length = strlen(path);
    const char *names[] = {"/theazo.db", "/theazo.db-wal"};
    for (int file = 0; file < 2; file++) {
        size_t end = strlen(names[file]);
        if (length >= end && strcmp(path + length - end, names[file]) == 0) return file;
    }
    return -1;
}

static void append(char operation, int file, uint64_t offset, const void *data, uint64_t length) {
    struct record record = {(uint32_t)operation, (uint32_t)file, offset, length};
    syscall(SYS_write, log_file, &record, sizeof record);
    if (length > 0) syscall(SYS_write, log_file, data, length);
}

static ssize_t write_at(int file, const void *data, size_t length, off_t offset) {
    return offset < 0 ? syscall(SYS_write, file, data, length) : syscall(SYS_pwrite64, file, data, length, offset);
}

static ssize_t change(int file, const void *data, size_t length, off_t offset) {
    char path[PATH_MAX];
    if (path_of(file, path) == NULL) return write_at(file, data, length, offset);
    if (is_refused(0)) return -1;
    int logged = log_file < 0 ? -1 : logged_file(path);
    if (logged < 0) return write_at(file, data, length, offset);
    pthread_mutex_lock(&in_order);
    off_t place = offset < 0 ? syscall(SYS_lseek, file, 0, SEEK_CUR) : offset;
    ssize_t written = write_at(file, data, length, offset);
    if (written > 0) append('w', logged, (uint64_t)place, data, (uint64_t)written);
    pthread_mutex_unlock(&in_order);
    return written;
}

ssize_t write(int file, const void *data, size_t length) { return change(file, data, length, -1); }
ssize_t pwrite(int file, const void *data, size_t length, off_t offset) { return change(file, data, length, offset); }
ssize_t pwrite64(int file, const void *data, size_t length, off_t offset) { return change(file, data, length, offset); }

static int resize(int file, off_t length) {
    char path[PATH_MAX];
    if (path_of(file, path) == NULL) return (int)syscall(SYS_ftruncate, file, length);
    if (is_refused(0)) return -1;
    pthread_mutex_lock(&in_order);
    int outcome = (int)syscall(SYS_ftruncate, file, length), logged = log_file < 0 ? -1 : logged_file(path);
    if (outcome == 0 && logged >= 0) append('t', logged, (uint64_t)length, NULL, 0);
    pthread_mutex_unlock(&in_order);
    return outcome;
}

int ftruncate(int file, off_t length) { return resize(file, length); }
int ftruncate64(int file, off_t length) { return resize(file, length); }

static int synchronise(int file, long call) {
    char path[PATH_MAX];
    if (path_of(file, path) == NULL) return (int)syscall(call, file);
    if (is_refused(0)) return -1;
    pthread_mutex_lock(&in_order);
    int outcome = (int)syscall(call, file), logged = log_file < 0 ? -1 : logged_file(path);
    if (outcome == 0 && logged >= 0) append('s', logged, 0, NULL, 0);
    pthread_mutex_unlock(&in_order);
    return outcome;
}

int fsync(int file) { return synchronise(file, SYS_fsync); }
int fdatasync(int file) { return synchronise(file, SYS_fdatasync); }

static ssize_t take(int file, void *data, size_t length, off_t offset) {
    char path[PATH_MAX];
    if (orders != NULL && orders->reads && path_of(file, path) != NULL && is_refused(1)) return -1;
    return offset < 0 ? syscall(SYS_read, file, data, length) : syscall(SYS_pread64, file, data, length, offset);
}

ssize_t read(int file, void *data, size_t length) { return take(file, data, length, -1); }
ssize_t pread(int file, void *data, size_t length, off_t offset) { return take(file, data, length, offset); }
ssize_t pread64(int file, void *data, size_t length, off_t offset) { return take(file, data, length, offset); }

static int open_file(const char *path, int flags, mode_t mode) {
    int is_new = (flags & O_CREAT) && is_inside(path) && faccessat(AT_FDCWD, path, F_OK, 0) != 0;
    // A file system that cannot be written to opens nothing for writing; one that is full opens what is there.
    int writes = is_inside(path) && (flags & O_ACCMODE) != O_RDONLY && orders->error == EROFS;
    if ((is_new || writes) && is_refused(0)) return -1;
    return open_now(path, flags, mode);
}

static mode_t mode_of(int flags, va_list more) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; }

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = mode_of(flags, more);
    va_end(more);
    return open_file(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = mode_of(flags, more);
    va_end(more);
    return open_file(path, flags, mode);
}

int rename(const char *source, const char *target) {
    if (is_inside(target) && is_refused(0)) return -1;
    return (int)syscall(SYS_renameat2, AT_FDCWD, source, AT_FDCWD, target, 0);
}

int mkdir(const char *path, mode_t mode) {
    if (is_inside(path) && is_refused(0)) return -1;
    return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}
