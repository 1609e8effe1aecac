/* Class k is the largest of the pixels 4k..4k+3; the outputs overwrite the input's first bytes, as those
 * of a generated model may. Real outputs: (q + 128) / 255 for classes 0 and 1, q * 2 / 255 for class 2.
 *
 * With TOY_MISBEHAVES the first pixel makes the device fail in the middle of a run, as a real one might. */
#include "toy_model.h"

#ifdef TOY_MISBEHAVES
#include <unistd.h>
#endif

#ifndef TOY_ENCODING
#define TOY_ENCODING MCU_UINT8
#endif

static void misbehave(uint8_t *arena) {
#ifdef TOY_MISBEHAVES
    enum { RESETS = 0xee, HANGS = 0xdd, BABBLES = 0xcc };
    const uint8_t pixel = arena[0] ^ 0x80;
    if (pixel == RESETS) {
        execl("/proc/self/exe", "toy", (char *)0);
    }
    if (pixel == HANGS) {
        pause();
    }
    if (pixel == BABBLES && write(STDOUT_FILENO, "\xff\x80\x00\xfe\r\n", 6) != 6) {
        _exit(1);
    }
#else
    (void)arena;
#endif
}

static void largest_of_four(uint8_t *arena) {
    for (int k = 0; k < 3; k++) {
        int8_t most = INT8_MIN;
        for (int i = 4 * k; i < 4 * k + 4; i++) {
            most = (int8_t)arena[i] > most ? (int8_t)arena[i] : most;
        }
        arena[k] = (uint8_t)most;
    }
}

static void run(void *arena) {
    misbehave(arena);
    largest_of_four(arena);
}

static const struct mcu_layer layers[] = {
    {"CUSTOM", misbehave, 0},
    {"MAX_POOL_2D", largest_of_four, 12},
};

static const struct mcu_tensor inputs[] = {
    {
        .encoding = TOY_ENCODING,
        .offset = 0,
        .bytes = 12,
        .zero_point = -128,
        .scale_mantissa = 1077952577,
        .scale_shift = 38,
    },
};

/* 1077952577 = ceil(2^38 / 255) */
static const struct mcu_tensor outputs[] = {
    {.offset = 0, .bytes = 2, .zero_point = -128, .scale_mantissa = 1077952577, .scale_shift = 38},
    {.offset = 2, .bytes = 1, .zero_point = 0, .scale_mantissa = 1077952577, .scale_shift = 37},
};

const struct mcu_model toy_model = {
    .name = "toy",
    .hash = "0123456789abcdef",
    .arena_bytes = TOY_ARENA_BYTES,
    .arena_align = 16,
    .input_count = 1,
    .output_count = 2,
    .layer_count = 2,
    .inputs = inputs,
    .outputs = outputs,
    .layers = layers,
    .run = run,
};
