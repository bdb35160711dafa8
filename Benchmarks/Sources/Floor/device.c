// A client of vfio-user in plain C: reads of the guest where there is no memory become messages to a device process.
#define _GNU_SOURCE
#include "floor_vm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct message {
    uint16_t id, command;
    uint32_t size, flags, error;
    union {
        struct {
            uint64_t offset;
            uint32_t region, count;
            uint8_t data[8];
        } access;
        struct {
            uint16_t major, minor;
            char text[32];
        } version;
    };
} __attribute__((packed));

enum { HEADER = 16, VERSION = 1, READ_REGION = 9 };

static void receive(int socket, void *to, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t count = recv(socket, (char *)to + done, size - done, 0);
        if (count <= 0)
            floor_fail("recv");
        done += (size_t)count;
    }
}

static void ask(int socket, struct message *message) {
    uint16_t id = message->id;
    if (send(socket, message, message->size, MSG_NOSIGNAL) != (ssize_t)message->size)
        floor_fail("send");
    receive(socket, message, HEADER);
    char rest[256];
    size_t size = message->size - HEADER;
    if (message->id != id || size > sizeof rest)
        floor_fail("reply");
    receive(socket, rest, size);
    memcpy(&message->access, rest, size < sizeof message->access ? size : sizeof message->access);
}

int floor_device_connect(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int device = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (device < 0 || connect(device, (struct sockaddr *)&address, sizeof address) < 0)
        floor_fail("connect");
    struct message message = {.id = 1, .command = VERSION, .size = HEADER + 4 + 3, .version = {0, 1, "{}"}};
    ask(device, &message);
    return device;
}

void floor_device_close(int device) { close(device); }

uint64_t floor_vm_run_device(struct floor_vm *vm, int device) {
    struct kvm_run *run = vm->run;
    struct message message = {0};
    for (uint64_t exits = 1;; exits++) {
        if (ioctl(vm->vcpu, KVM_RUN, 0) < 0) {
            if (errno == EINTR)
                continue;
            floor_fail("KVM_RUN");
        }
        if (run->exit_reason == KVM_EXIT_IO && run->io.port == 0xf4)
            return exits;
        if (run->exit_reason != KVM_EXIT_MMIO || run->mmio.is_write) {
            fprintf(stderr, "floor: exit %u\n", run->exit_reason);
            exit(70);
        }
        message = (struct message){.id = message.id + 1, .command = READ_REGION, .size = HEADER + 16};
        message.access.offset = run->mmio.phys_addr & 0xff;
        message.access.count = run->mmio.len;
        ask(device, &message);
        memcpy(run->mmio.data, message.access.data, run->mmio.len);
    }
}
