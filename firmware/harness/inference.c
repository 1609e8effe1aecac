#include "inference.h"

#include <stddef.h>

#include "port.h"

static const struct mcu_model *model;
static uint8_t *arena;
static const char *fault = "no model";
static enum inference_state state;
static uint32_t input_bytes;
static uint32_t output_bytes;
static uint32_t loaded;
static uint32_t crc;
static int8_t outputs[HARNESS_OUTPUT_BYTES];

static uint32_t bytes_of(const struct mcu_tensor *tensors, uint32_t count) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += tensors[i].bytes;
    }
    return sum;
}

/* The tensor that holds byte *index of all; *index becomes the byte's place in it. */
static const struct mcu_tensor *tensor_at(const struct mcu_tensor *tensors, uint32_t *index) {
    while (*index >= tensors->bytes) {
        *index -= tensors->bytes;
        tensors++;
    }
    return tensors;
}

static uint8_t *input_at(uint32_t index) {
    const struct mcu_tensor *tensor = tensor_at(model->inputs, &index);
    return arena + tensor->offset + index;
}

/* Turns a byte of the host into one of its tensor, and back. */
static uint8_t input_mask(uint32_t index) {
    return tensor_at(model->inputs, &index)->encoding == MCU_UINT8 ? 0x80 : 0;
}

void inference_begin(const struct mcu_model *new_model, uint8_t *new_arena, uint32_t arena_bytes) {
    model = new_model;
    arena = new_arena;
    state = INFERENCE_EMPTY;
    input_bytes = bytes_of(model->inputs, model->input_count);
    output_bytes = bytes_of(model->outputs, model->output_count);
    fault = NULL;
    if (model->arena_bytes > arena_bytes) {
        fault = "The arena is smaller than the model needs";
    } else if ((uintptr_t)arena % model->arena_align != 0) {
        fault = "The arena is not aligned as the model needs";
    } else if (output_bytes > HARNESS_OUTPUT_BYTES) {
        fault = "HARNESS_OUTPUT_BYTES is smaller than the model's outputs";
    } else if (input_bytes == 0) {
        fault = "The model has no input";
    }
}

const char *inference_fault(void) {
    return fault;
}

const struct mcu_model *inference_model(void) {
    return model;
}

enum inference_state inference_state(void) {
    return state;
}

uint32_t inference_input_bytes(void) {
    return input_bytes;
}

uint32_t inference_output_bytes(void) {
    return output_bytes;
}

void inference_load_begin(void) {
    loaded = 0;
    state = INFERENCE_LOADING;
}

uint32_t inference_load_missing(void) {
    return input_bytes - loaded;
}

/* Bit by bit, without a table: about 50 instructions a byte, far less than a line takes to bring it. */
static uint32_t crc_of_input(void) {
    uint32_t sum = UINT32_MAX;
    for (uint32_t i = 0; i < input_bytes; i++) {
        sum ^= inference_loaded_byte(i);
        for (int bit = 0; bit < 8; bit++) {
            sum = sum >> 1 ^ ((sum & 1) != 0 ? UINT32_C(0xedb88320) : 0); /* x^32 + ... + 1, bits reversed */
        }
    }
    return ~sum;
}

void inference_load_byte(uint8_t byte) {
    *input_at(loaded) = byte ^ input_mask(loaded);
    loaded++;
    if (loaded == input_bytes) {
        crc = crc_of_input();
        state = INFERENCE_LOADED;
    }
}

uint8_t inference_loaded_byte(uint32_t index) {
    return *input_at(index) ^ input_mask(index);
}

uint32_t inference_load_crc(void) {
    return crc;
}

static void keep_outputs(void) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < model->output_count; i++) {
        const uint8_t *from = arena + model->outputs[i].offset;
        for (uint32_t j = 0; j < model->outputs[i].bytes; j++) {
            outputs[kept++] = (int8_t)from[j];
        }
    }
    state = INFERENCE_RAN;
}

struct inference_timing inference_run(uint32_t runs) {
    struct inference_timing timing = {.runs = runs, .least = UINT64_MAX};
    for (uint32_t i = 0; i < runs; i++) {
        const uint64_t start = port_timer_now();
        model->run(arena);
        timing.end = port_timer_now();
        /* Kept after the clock was read, so that a single run's time holds the run alone. */
        if (state == INFERENCE_LOADED) {
            keep_outputs();
        }
        const uint64_t took = timing.end - start;
        timing.start = i == 0 ? start : timing.start;
        timing.least = took < timing.least ? took : timing.least;
        timing.most = took > timing.most ? took : timing.most;
    }
    return timing;
}

/* Not inlined, so that a layer and a function that does nothing are timed by the same instructions. */
__attribute__((noinline)) static uint64_t time_of(void (*run)(uint8_t *arena)) {
    const uint64_t start = port_timer_now();
    run(arena);
    return port_timer_now() - start;
}

static void do_nothing(uint8_t *unused) {
    (void)unused;
}

/* The least of several, since the first ones fill the caches. */
uint64_t inference_time_nothing(void) {
    enum { TRIES = 8 };
    static void (*const volatile nothing)(uint8_t *) = do_nothing; /* volatile: called, not optimised away */
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < TRIES; i++) {
        const uint64_t took = time_of(nothing);
        least = took < least ? took : least;
    }
    return least;
}

uint64_t inference_run_layer(uint32_t layer) {
    const uint64_t took = time_of(model->layers[layer].run);
    if (layer + 1 == model->layer_count) {
        keep_outputs();
    }
    return took;
}

int8_t inference_output(uint32_t index) {
    return outputs[index];
}

const struct mcu_tensor *inference_output_tensor(uint32_t index) {
    return tensor_at(model->outputs, &index);
}
