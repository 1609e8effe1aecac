/* The loaded input, the runs, and what the first run after a load gave.
 *
 * The input buffer is the model's own input in the arena, and a run may overwrite it. So the outputs are
 * kept from the first run after a load; later runs compute on leftovers and serve only to time. Inputs
 * and outputs of a model are addressed as one string of bytes each, tensor after tensor. */
#ifndef INFERENCE_H
#define INFERENCE_H

#include <stdint.h>

#include "mcu_model.h"

/* Room for the outputs of the first run. Models with more must be built with a larger value. */
#ifndef HARNESS_OUTPUT_BYTES
#define HARNESS_OUTPUT_BYTES 1024
#endif

enum inference_state {
    INFERENCE_EMPTY,   /* nothing loaded since boot */
    INFERENCE_LOADING, /* some bytes of the input are missing */
    INFERENCE_LOADED,  /* the input is complete and no run has touched it */
    INFERENCE_RAN,     /* outputs are there; the input may be overwritten */
};

/* Values of the port's timer for one batch of runs. end - start spans all of them, with what lies between. */
struct inference_timing {
    uint32_t runs;
    uint64_t start;
    uint64_t end;
    uint64_t least; /* shortest single run */
    uint64_t most;  /* longest single run */
};

/* Takes model and arena. Where they cannot be used together, inference_fault() says why, and nothing but
 * the questions about sizes may be asked; else it is NULL. */
void inference_begin(const struct mcu_model *model, uint8_t *arena, uint32_t arena_bytes);
const char *inference_fault(void);

const struct mcu_model *inference_model(void);
enum inference_state inference_state(void);
uint32_t inference_input_bytes(void);
uint32_t inference_output_bytes(void);

void inference_load_begin(void);               /* state LOADING */
uint32_t inference_load_missing(void);         /* bytes still to come */
void inference_load_byte(uint8_t byte);        /* only while some are missing; the last one gives LOADED */
uint8_t inference_loaded_byte(uint32_t index); /* as the host sent it; only in state LOADED */
uint32_t inference_load_crc(void); /* CRC-32 (IEEE 802.3) of the input as read back when complete */

/* Runs back to back, only from LOADED or RAN on; the state becomes RAN. */
struct inference_timing inference_run(uint32_t runs);

/* One layer, only from LOADED on and in order from 0; the last one gives RAN. Answers its time. */
uint64_t inference_run_layer(uint32_t layer);

/* What timing adds to the time of each layer and of each run: that of a layer that returns at once. */
uint64_t inference_time_nothing(void);

/* An output byte of the first run after the last load, and its tensor; only in state RAN. */
int8_t inference_output(uint32_t index);
const struct mcu_tensor *inference_output_tensor(uint32_t index);

#endif
