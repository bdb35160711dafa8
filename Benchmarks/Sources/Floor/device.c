// A client of vfio-user in plain C. Accesses of the guest to addresses without memory become messages to a device process.
#define _GNU_SOURCE
#include "floor_vm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
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
        struct {
            uint32_t size, flags, kind, start, count;
        } interrupts;
    };
} __attribute__((packed));

enum { HEADER = 16, VERSION = 1, SET_INTERRUPTS = 8, READ_REGION = 9, WRITE_REGION = 10 };

static void receive(int socket, void *to, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t count = recv(socket, (char *)to + done, size - done, 0);
        if (count <= 0)
            floor_fail("recv");
        done += (size_t)count;
    }
}

static void answer(int socket, struct message *message) {
    uint16_t id = message->id;
    receive(socket, message, HEADER);
    char rest[256];
    size_t size = message->size - HEADER;
    if (message->id != id || size > sizeof rest)
        floor_fail("reply");
    receive(socket, rest, size);
    memcpy(&message->access, rest, size < sizeof message->access ? size : sizeof message->access);
}

static void ask(int socket, struct message *message) {
    if (send(socket, message, message->size, MSG_NOSIGNAL) != (ssize_t)message->size)
        floor_fail("send");
    answer(socket, message);
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

int floor_device_interrupt(struct floor_vm *vm, int device, uint32_t data) {
    enum { NUMBER = 24 };
    int event = eventfd(0, EFD_CLOEXEC);
    struct kvm_irq_routing *routes = calloc(1, sizeof *routes + sizeof routes->entries[0]);
    routes->nr = 1;
    routes->entries[0] = (struct kvm_irq_routing_entry){
        .gsi = NUMBER, .type = KVM_IRQ_ROUTING_MSI, .u.msi = {.address_lo = 0xfee00000, .data = data}};
    struct kvm_irqfd interrupt = {.fd = (uint32_t)event, .gsi = NUMBER};
    if (event < 0 || ioctl(vm->vm, KVM_SET_GSI_ROUTING, routes) < 0 || ioctl(vm->vm, KVM_IRQFD, &interrupt) < 0)
        floor_fail("KVM_IRQFD");
    free(routes);
    // The flags of the request: data are eventfds, the kind is MSI, the action is the interrupt. It is for vector 1 alone.
    struct message message = {
        .id = 2, .command = SET_INTERRUPTS, .size = HEADER + 20, .interrupts = {20, 1 << 2 | 1 << 5, 1, 1, 1}};
    struct iovec part = {&message, message.size};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof event)];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof event), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), &event, sizeof event);
    struct msghdr passed = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    if (sendmsg(device, &passed, MSG_NOSIGNAL) != (ssize_t)message.size)
        floor_fail("sendmsg");
    answer(device, &message);
    if (message.error)
        floor_fail("the device process");
    return event;
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
        if (run->exit_reason != KVM_EXIT_MMIO) {
            fprintf(stderr, "floor: exit %u\n", run->exit_reason);
            exit(70);
        }
        message = (struct message){.id = message.id + 1, .command = READ_REGION, .size = HEADER + 16};
        message.access.offset = run->mmio.phys_addr & 0xff;
        message.access.count = run->mmio.len;
        if (run->mmio.is_write) {
            message.command = WRITE_REGION;
            message.size += run->mmio.len;
            memcpy(message.access.data, run->mmio.data, run->mmio.len);
        }
        ask(device, &message);
        if (!run->mmio.is_write)
            memcpy(run->mmio.data, message.access.data, run->mmio.len);
    }
}
