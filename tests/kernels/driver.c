/* Runs single kernels for tests: requests from standard input, results to standard output, until the input
 * ends. A request is a struct request, then weights, bias, interior bias, factors and the whole buffer; the
 * answer is the buffer afterwards. Everything lies in heap blocks of exact size, so that a sanitizer sees any
 * access past one. */
#include <stdio.h>
#include <stdlib.h>

#include "average_pool.h"
#include "conv.h"
#include "depthwise.h"
#include "depthwise_planar.h"
#include "max_pool.h"
#include "pointwise.h"

struct request {
    int32_t kernel; /* index of runners */
    int32_t descending;
    int32_t in_offset; /* in the buffer */
    int32_t out_offset;
    int32_t buffer_bytes;
    int32_t weight_count;
    int32_t in_channels;
    int32_t out_channels;
    int32_t in_zero_point;
    struct mcu_output output;
    struct mcu_axis y;
    struct mcu_axis x;
};

struct constants {
    int8_t *weights;
    int32_t *bias;
    int32_t *interior_bias;
    struct mcu_factor *factors;
};

static void *take(size_t bytes) {
    void *block = malloc(bytes);
    if (!block || fread(block, 1, bytes, stdin) != bytes) {
        exit(2);
    }
    return block;
}

static void run_pointwise(const struct request *r, const struct constants *c, const int8_t *in, int8_t *out) {
    const struct mcu_pointwise_s8 layer = {
        .pixels = r->y.in_size * r->x.in_size,
        .in_channels = r->in_channels,
        .out_channels = r->out_channels,
        .descending = r->descending,
        .output = r->output,
        .weights = c->weights,
        .bias = c->interior_bias,
        .factors = c->factors,
    };
    mcu_pointwise_s8(&layer, in, out);
}

static void run_conv(const struct request *r, const struct constants *c, const int8_t *in, int8_t *out) {
    const struct mcu_conv_s8 layer = {
        .y = r->y,
        .x = r->x,
        .in_channels = r->in_channels,
        .out_channels = r->out_channels,
        .in_zero_point = r->in_zero_point,
        .descending = r->descending,
        .output = r->output,
        .weights = c->weights,
        .bias = c->bias,
        .interior_bias = c->interior_bias,
        .factors = c->factors,
    };
    mcu_conv_s8(&layer, in, out);
}

static void run_depthwise(const struct request *r, const struct constants *c, const int8_t *in, int8_t *out) {
    const struct mcu_depthwise_s8 layer = {
        .y = r->y,
        .x = r->x,
        .in_channels = r->in_channels,
        .channel_multiplier = r->out_channels / r->in_channels,
        .in_zero_point = r->in_zero_point,
        .descending = r->descending,
        .output = r->output,
        .weights = c->weights,
        .bias = c->bias,
        .interior_bias = c->interior_bias,
        .factors = c->factors,
    };
    mcu_depthwise_s8(&layer, in, out);
}

static void run_depthwise_planar(const struct request *r, const struct constants *c, const int8_t *in,
                                 int8_t *out) {
    const struct mcu_depthwise_planar_s8 layer = {
        .y = r->y,
        .x = r->x,
        .in_channels = r->in_channels,
        .in_zero_point = r->in_zero_point,
        .output = r->output,
        .weights = c->weights,
        .bias = c->bias,
        .interior_bias = c->interior_bias,
        .factors = c->factors,
    };
    int8_t *scratch = malloc((size_t)(r->y.out_size * r->x.out_size));
    if (!scratch) {
        exit(2);
    }
    mcu_depthwise_planar_s8(&layer, in, out, scratch);
    free(scratch);
}

static void run_average_pool(const struct request *r, const struct constants *none, const int8_t *in,
                             int8_t *out) {
    (void)none;
    const struct mcu_average_pool_s8 layer = {
        .y = r->y,
        .x = r->x,
        .channels = r->in_channels,
        .descending = r->descending,
        .out_min = r->output.min,
        .out_max = r->output.max,
    };
    mcu_average_pool_s8(&layer, in, out);
}

static void run_max_pool(const struct request *r, const struct constants *none, const int8_t *in,
                         int8_t *out) {
    (void)none;
    const struct mcu_max_pool_s8 layer = {
        .y = r->y,
        .x = r->x,
        .channels = r->in_channels,
        .descending = r->descending,
        .out_min = r->output.min,
        .out_max = r->output.max,
    };
    mcu_max_pool_s8(&layer, in, out);
}

typedef void (*runner)(const struct request *, const struct constants *, const int8_t *, int8_t *);

/* By the number in a request, in kernel_driver.py's order. */
static const runner runners[] = {run_pointwise,    run_conv,     run_depthwise,
                                 run_average_pool, run_max_pool, run_depthwise_planar};

int main(void) {
    struct request r;
    while (fread(&r, sizeof r, 1, stdin) == 1) {
        const size_t channels = (size_t)r.out_channels;
        struct constants c;
        c.weights = take((size_t)r.weight_count);
        c.bias = take(channels * sizeof *c.bias);
        c.interior_bias = take(channels * sizeof *c.interior_bias);
        c.factors = take(channels * sizeof *c.factors);
        int8_t *buffer = take((size_t)r.buffer_bytes);
        runners[r.kernel](&r, &c, buffer + r.in_offset, buffer + r.out_offset);
        if (fwrite(buffer, 1, (size_t)r.buffer_bytes, stdout) != (size_t)r.buffer_bytes || fflush(stdout)) {
            return 1;
        }
        free(c.weights);
        free(c.bias);
        free(c.interior_bias);
        free(c.factors);
        free(buffer);
    }
    return 0;
}
