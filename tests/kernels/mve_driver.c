/* Runs kernels with Helium, and those in portable C that they must equal, on an emulated AN547 for tests:
 * requests from the file "requests", results to "answers", both on the host, by semihosting (Arm's
 * specification of that name, release 2.0).
 *
 * A request is a struct request, then each padded to words: packed weights and parameters of the kernel with
 * Helium, the portable one's weights, bias, interior bias and factors, and the whole buffer. The answer is
 * the buffer after the portable kernel, and after the other. Packed weights and buffer end where a memory of
 * the AN547 ends while a kernel runs, so that an access past one faults. */
#include <stdint.h>
#include <string.h>

#include "add_mve.h"
#include "average_pool_mve.h"
#include "conv.h"
#include "conv_mve.h"
#include "depthwise.h"
#include "depthwise_mve.h"
#include "fully_connected.h"
#include "fully_connected_mve.h"
#include "max_pool_mve.h"
#include "mean_mve.h"
#include "pointwise.h"
#include "pointwise_mve.h"
#include "port.h"

struct request {
    int32_t kernel; /* index of kernels */
    int32_t descending;
    int32_t in_offset; /* in the buffer */
    int32_t out_offset;
    int32_t other_offset; /* scratch, or ADD's second input */
    int32_t buffer_bytes;
    int32_t packed_bytes;
    int32_t parameter_count;
    int32_t weight_bytes;
    int32_t channel_count; /* of bias, interior bias and factors */
    int32_t in_channels;
    int32_t out_channels;
    int32_t in_zero_point;
    int32_t other_zero_point;
    struct mcu_output output;
    struct mcu_axis y;
    struct mcu_axis x;
    struct mcu_factor factors[3]; /* of kernels without weights */
};

/* Where a kernel's constants and memory lie. */
struct call {
    const struct request *request;
    const int8_t *packed;
    const int32_t *parameters;
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *interior_bias;
    const struct mcu_factor *factors;
    int8_t *in;
    int8_t *out;
    int8_t *other;
};

static void pointwise(const struct call *c) {
    const struct request *r = c->request;
    const struct mcu_pointwise_s8 layer = {r->descending,    r->y.in_size * r->x.in_size,
                                           r->in_channels,   r->out_channels,
                                           r->output,        c->weights,
                                           c->interior_bias, c->factors};
    mcu_pointwise_s8(&layer, c->in, c->out);
}

static void pointwise_mve(const struct call *c) {
    const struct request *r = c->request;
    const struct mcu_pointwise_s8_mve layer = {
        r->descending, r->y.in_size * r->x.in_size, r->in_channels, r->out_channels, r->output, c->packed,
        c->parameters};
    mcu_pointwise_s8_mve(&layer, c->in, c->out);
}

static void conv(const struct call *c) {
    const struct request *r = c->request;
    const struct mcu_conv_s8 layer = {
        r->descending, r->y,       r->x,    r->in_channels,   r->out_channels, r->in_zero_point,
        r->output,     c->weights, c->bias, c->interior_bias, c->factors};
    mcu_conv_s8(&layer, c->in, c->out);
}

static void conv_mve(const struct call *c) {
    const struct request *r = c->request;
    const struct mcu_conv_s8_mve layer = {
        r->descending,    r->y,      r->x,      r->in_channels, r->out_channels,
        r->in_zero_point, r->output, c->packed, c->parameters};
    mcu_conv_s8_mve(&layer, c->in, c->out, c->other);
}

static void depthwise(const struct call *c) {
    const struct request *r = c->request;
    const struct mcu_depthwise_s8 layer = {
        r->descending, r->y,       r->x,    r->in_channels,   1,         r->in_zero_point,
        r->output,     c->weights, c->bias, c->interior_bias, c->factors};
    mcu_depthwise_s8(&layer, c->in, c->out);
}

static void depthwise_mve(const struct call *c) {
    const struct request *r = c->request;
    const struct mcu_depthwise_s8_mve layer = {r->descending,    r->y,      r->x,      r->in_channels,
                                               r->in_zero_point, r->output, c->packed, c->parameters};
    mcu_depthwise_s8_mve(&layer, c->in, c->out);
}

static void fully_connected(const struct call *c) {
    const struct request *r = c->request;
    const struct mcu_fully_connected_s8 layer = {r->y.in_size, r->in_channels,   r->out_channels, r->output,
                                                 c->weights,   c->interior_bias, c->factors};
    mcu_fully_connected_s8(&layer, c->in, c->out);
}

static void fully_connected_mve(const struct call *c) {
    const struct request *r = c->request;
    const struct mcu_fully_connected_s8_mve layer = {r->y.in_size, r->in_channels, r->out_channels,
                                                     r->output,    c->packed,      c->parameters};
    mcu_fully_connected_s8_mve(&layer, c->in, c->out);
}

static struct mcu_add_s8 add_layer(const struct request *r) {
    const struct mcu_add_s8 layer = {r->in_channels, r->in_zero_point, r->other_zero_point,
                                     r->factors[0],  r->factors[1],    r->factors[2],
                                     r->output};
    return layer;
}

static void add(const struct call *c) {
    const struct mcu_add_s8 layer = add_layer(c->request);
    mcu_add_s8(&layer, c->in, c->other, c->out);
}

static void add_mve(const struct call *c) {
    const struct mcu_add_s8 layer = add_layer(c->request);
    mcu_add_s8_mve(&layer, c->in, c->other, c->out);
}

static struct mcu_mean_s8 mean_layer(const struct request *r) {
    const int32_t offset = -r->x.in_size * r->in_zero_point;
    const struct mcu_mean_s8 layer = {r->y.in_size, r->x.in_size,  r->in_channels,
                                      offset,       r->factors[0], r->output};
    return layer;
}

static void mean(const struct call *c) {
    const struct mcu_mean_s8 layer = mean_layer(c->request);
    mcu_mean_s8(&layer, c->in, c->out);
}

static void mean_mve(const struct call *c) {
    const struct mcu_mean_s8 layer = mean_layer(c->request);
    mcu_mean_s8_mve(&layer, c->in, c->out);
}

static struct mcu_average_pool_s8 average_pool_layer(const struct request *r) {
    const struct mcu_average_pool_s8 layer = {r->descending,  r->y,          r->x,
                                              r->in_channels, r->output.min, r->output.max};
    return layer;
}

static void average_pool(const struct call *c) {
    const struct mcu_average_pool_s8 layer = average_pool_layer(c->request);
    mcu_average_pool_s8(&layer, c->in, c->out);
}

static void average_pool_mve(const struct call *c) {
    const struct mcu_average_pool_s8 layer = average_pool_layer(c->request);
    mcu_average_pool_s8_mve(&layer, c->in, c->out);
}

static struct mcu_max_pool_s8 max_pool_layer(const struct request *r) {
    const struct mcu_max_pool_s8 layer = {r->descending,  r->y,          r->x,
                                          r->in_channels, r->output.min, r->output.max};
    return layer;
}

static void max_pool(const struct call *c) {
    const struct mcu_max_pool_s8 layer = max_pool_layer(c->request);
    mcu_max_pool_s8(&layer, c->in, c->out);
}

static void max_pool_mve(const struct call *c) {
    const struct mcu_max_pool_s8 layer = max_pool_layer(c->request);
    mcu_max_pool_s8_mve(&layer, c->in, c->out);
}

typedef void (*kernel)(const struct call *);

/* The portable kernel and the one with Helium, by the number in a request, in mve_driver.py's order. */
static const kernel kernels[][2] = {
    {pointwise, pointwise_mve},
    {conv, conv_mve},
    {depthwise, depthwise_mve},
    {average_pool, average_pool_mve},
    {max_pool, max_pool_mve},
    {fully_connected, fully_connected_mve},
    {add, add_mve},
    {mean, mean_mve},
};

#define SYS_OPEN 0x01
#define SYS_CLOSE 0x02
#define SYS_WRITE 0x05
#define SYS_READ 0x06
#define SYS_FLEN 0x0C
#define SYS_EXIT 0x18
#define MODE_READ 1  /* "rb" */
#define MODE_WRITE 5 /* "wb" */
#define APPLICATION_EXIT 0x20026u

static int32_t ask_host(uint32_t operation, uintptr_t argument) {
    register uint32_t r0 __asm("r0") = operation;
    register uintptr_t r1 __asm("r1") = argument;
    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}

static uintptr_t open_file(const char *name, uintptr_t mode) {
    const uintptr_t block[] = {(uintptr_t)name, mode, strlen(name)};
    return (uintptr_t)ask_host(SYS_OPEN, (uintptr_t)block);
}

/* SRAM 2 holds the file at its begin and a kernel's buffer at its end, SRAM the packed weights at its end. */
#define SRAM2_BEGIN 0x21000000u
#define SRAM2_END 0x21400000u
#define SRAM_END 0x01200000u

/* Where the next array of a request lies, so many bytes padded to a word. */
static uintptr_t take(uintptr_t *at, int32_t bytes) {
    const uintptr_t found = *at;
    *at += ((uintptr_t)bytes + 3u) & ~(uintptr_t)3;
    return found;
}

/* Those bytes moved to end at an address. */
static int8_t *moved(uintptr_t from, int32_t bytes, uintptr_t end) {
    return memcpy((void *)(end - (uintptr_t)bytes), (const void *)from, (size_t)bytes);
}

static uintptr_t answer(uintptr_t at, uintptr_t answers) {
    const struct request *r = (const struct request *)take(&at, sizeof *r);
    const int32_t channels = r->channel_count;
    struct call call = {.request = r};
    call.packed = moved(take(&at, r->packed_bytes), r->packed_bytes, SRAM_END);
    call.parameters = (const int32_t *)take(&at, r->parameter_count * 4);
    call.weights = (const int8_t *)take(&at, r->weight_bytes);
    call.bias = (const int32_t *)take(&at, channels * 4);
    call.interior_bias = (const int32_t *)take(&at, channels * 4);
    call.factors = (const struct mcu_factor *)take(&at, channels * 8);
    const uintptr_t given = take(&at, r->buffer_bytes);
    for (int32_t helium = 0; helium < 2; helium++) {
        int8_t *buffer = moved(given, r->buffer_bytes, SRAM2_END);
        call.in = buffer + r->in_offset;
        call.out = buffer + r->out_offset;
        call.other = buffer + r->other_offset;
        kernels[r->kernel][helium](&call);
        const uintptr_t block[] = {answers, (uintptr_t)buffer, (uintptr_t)r->buffer_bytes};
        ask_host(SYS_WRITE, (uintptr_t)block);
    }
    return at;
}

int main(void) {
    port_init(BOARD_BAUD);
    const uintptr_t requests = open_file("requests", MODE_READ);
    const uintptr_t bytes = (uintptr_t)ask_host(SYS_FLEN, (uintptr_t)&requests);
    const uintptr_t reading[] = {requests, SRAM2_BEGIN, bytes};
    ask_host(SYS_READ, (uintptr_t)reading);
    const uintptr_t answers = open_file("answers", MODE_WRITE);
    uintptr_t at = SRAM2_BEGIN;
    while (at < SRAM2_BEGIN + bytes) {
        at = answer(at, answers);
    }
    ask_host(SYS_CLOSE, (uintptr_t)&answers);
    ask_host(SYS_EXIT, APPLICATION_EXIT);
    return 0;
}
