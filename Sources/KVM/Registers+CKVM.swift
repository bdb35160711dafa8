internal import CKVM

extension GeneralRegisters {
    init(_ from: kvm_regs) {
        rax = from.rax
        rbx = from.rbx
        rcx = from.rcx
        rdx = from.rdx
        rsi = from.rsi
        rdi = from.rdi
        rsp = from.rsp
        rbp = from.rbp
        r8 = from.r8
        r9 = from.r9
        r10 = from.r10
        r11 = from.r11
        r12 = from.r12
        r13 = from.r13
        r14 = from.r14
        r15 = from.r15
        rip = from.rip
        rflags = from.rflags
    }

    var ckvm: kvm_regs {
        kvm_regs(
            rax: rax, rbx: rbx, rcx: rcx, rdx: rdx, rsi: rsi, rdi: rdi, rsp: rsp, rbp: rbp,
            r8: r8, r9: r9, r10: r10, r11: r11, r12: r12, r13: r13, r14: r14, r15: r15,
            rip: rip, rflags: rflags)
    }
}

extension SegmentRegister {
    init(_ from: kvm_segment) {
        base = from.base
        limit = from.limit
        selector = from.selector
        type = from.type
        isPresent = from.present != 0
        privilegeLevel = from.dpl
        is32Bit = from.db != 0
        isCodeOrData = from.s != 0
        is64Bit = from.l != 0
        hasPageGranularity = from.g != 0
    }

    var ckvm: kvm_segment {
        kvm_segment(
            base: base, limit: limit, selector: selector, type: type, present: isPresent ? 1 : 0,
            dpl: privilegeLevel, db: is32Bit ? 1 : 0, s: isCodeOrData ? 1 : 0, l: is64Bit ? 1 : 0,
            g: hasPageGranularity ? 1 : 0, avl: 0, unusable: isPresent ? 0 : 1, padding: 0)
    }
}

extension DescriptorTable {
    init(_ from: kvm_dtable) {
        base = from.base
        limit = from.limit
    }

    var ckvm: kvm_dtable {
        kvm_dtable(base: base, limit: limit, padding: (0, 0, 0))
    }
}

extension SystemRegisters {
    init(_ from: kvm_sregs) {
        cs = SegmentRegister(from.cs)
        ds = SegmentRegister(from.ds)
        es = SegmentRegister(from.es)
        fs = SegmentRegister(from.fs)
        gs = SegmentRegister(from.gs)
        ss = SegmentRegister(from.ss)
        tr = SegmentRegister(from.tr)
        ldt = SegmentRegister(from.ldt)
        gdt = DescriptorTable(from.gdt)
        idt = DescriptorTable(from.idt)
        cr0 = from.cr0
        cr2 = from.cr2
        cr3 = from.cr3
        cr4 = from.cr4
        cr8 = from.cr8
        efer = from.efer
        apicBase = from.apic_base
    }

    /// No interrupt is pending in it: it is made for vCPUs that have not run.
    var ckvm: kvm_sregs {
        kvm_sregs(
            cs: cs.ckvm, ds: ds.ckvm, es: es.ckvm, fs: fs.ckvm, gs: gs.ckvm, ss: ss.ckvm, tr: tr.ckvm, ldt: ldt.ckvm,
            gdt: gdt.ckvm, idt: idt.ckvm, cr0: cr0, cr2: cr2, cr3: cr3, cr4: cr4, cr8: cr8, efer: efer,
            apic_base: apicBase, interrupt_bitmap: (0, 0, 0, 0))
    }
}
