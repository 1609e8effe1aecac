/* A process as a device: the serial line is standard input and output, or the master of a pseudo-terminal
 * given as both. Serves to test the harness and its host side; its timer is the wall clock. */
#define _GNU_SOURCE
#include "port.h"

#include <stdlib.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* The part of the process's stack that is watched. */
enum { STACK_BYTES = 65536 };

static uint8_t *stack_high;

void port_init(uint32_t baud) {
    struct termios line;
    (void)baud;
    stack_high = __builtin_frame_address(0);
    /* A fresh pseudo-terminal echoes: the firmware would read its own answers as commands. */
    if (tcgetattr(STDIN_FILENO, &line) == 0) {
        cfmakeraw(&line);
        tcsetattr(STDIN_FILENO, TCSANOW, &line);
    }
}

uint32_t port_clock_hz(void) {
    return 1000000000; /* the timer's: a process cannot tell its core's */
}

enum port_timer port_timer(void) {
    return PORT_TIMER_TICKS;
}

uint32_t port_timer_hz(void) {
    return 1000000000;
}

uint64_t port_timer_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int port_read(void) {
    static uint8_t buffer[4096];
    static ssize_t filled;
    static ssize_t taken;
    if (taken == filled) {
        filled = read(STDIN_FILENO, buffer, sizeof buffer);
        taken = 0;
        if (filled <= 0) {
            exit(EXIT_SUCCESS); /* the host closed the line */
        }
    }
    return buffer[taken++];
}

void port_write(uint8_t byte) {
    if (write(STDOUT_FILENO, &byte, 1) != 1) {
        exit(EXIT_FAILURE);
    }
}

uint8_t *port_stack_low(void) {
    return stack_high - STACK_BYTES;
}

uint8_t *port_stack_high(void) {
    return stack_high;
}
