/* What libsrtp takes to protect and to open a packet of 172 octets. Called from cost.py, which finds the functions in the
   library inside pylibsrtp; batches as in crates/media/examples/srtp_cost.rs. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 64, PACKET = 172, ROOM = 256 };
typedef int (*act)(void *session, void *packet, int *len);

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Fills `told` with nanoseconds a packet: protect (fastest tenth, median), open (the same). 0, or what libsrtp said. */
int cost(act protect, act unprotect, void *out, void *in, int batches, double *told)
{
    static unsigned char packets[BATCH][ROOM];
    int lens[BATCH], status;
    uint32_t n = 0;
    double *spent[2] = {malloc(batches * sizeof(double)), malloc(batches * sizeof(double))};
    for (int batch = 0; batch < batches; batch++) {
        for (int i = 0; i < BATCH; i++, n++) {
            unsigned char *p = packets[i];
            memset(p, 0x55, PACKET);
            memset(p, 0, 12);
            p[0] = 0x80, p[2] = n >> 8, p[3] = n, p[11] = 1;
            lens[i] = PACKET;
        }
        double begun = now();
        for (int i = 0; i < BATCH; i++)
            if ((status = protect(out, packets[i], &lens[i])))
                return status;
        spent[0][batch] = (now() - begun) / BATCH;
        begun = now();
        for (int i = 0; i < BATCH; i++)
            if ((status = unprotect(in, packets[i], &lens[i])))
                return status;
        spent[1][batch] = (now() - begun) / BATCH;
    }
    for (int way = 0; way < 2; way++) {
        qsort(spent[way], batches, sizeof(double), by_size);
        told[way * 2] = spent[way][batches / 10];
        told[way * 2 + 1] = spent[way][batches / 2];
        free(spent[way]);
    }
    return 0;
}
