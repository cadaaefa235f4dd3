//! What the kernel side must know about one binary: struct offsets and addresses.

/// An offset or address that `symbols` could not resolve. No program reads through it.
pub const UNKNOWN: u32 = u32::MAX;

/// How `map[string][]string` is laid out in a binary.
pub const MAP_UNKNOWN: u32 = 0;
/// Go <= 1.23, or `GOEXPERIMENT=noswissmap`: buckets of eight with overflow.
pub const MAP_CLASSIC: u32 = 1;
/// Go 1.24 and later: groups of eight behind a directory.
pub const MAP_SWISS: u32 = 2;

macro_rules! offsets {
    (
        fields { $($(#[$doc:meta])* $name:ident,)* }
        addresses { $($(#[$address_doc:meta])* $address:ident,)* }
    ) => {
        /// Byte offsets of struct fields in one binary, [`UNKNOWN`] where unresolved; then addresses in its
        /// process, 0 where unresolved.
        ///
        /// Written by the agent into `OFFSETS[slot]`, read by every program.
        ///
        /// # Layout `u32` fields only, then `u64` addresses; 8-aligned
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize))]
        pub struct Offsets {
            $($(#[$doc])* pub $name: u32,)*
            /// Registration this row belongs to, as in `TargetRef`.
            pub generation: u32,
            /// `MAP_*`: layout of the request header map.
            pub map_kind: u32,
            /// Bit `Program as u32` set: that program sits on `jbe` and must test the flags.
            pub jbe_programs: u32,
            /// 1 when the server's gRPC stream starts with a pointer to `transport.Stream` (1.69+), 0 when it is one.
            pub stream_indirect: u32,
            /// Zero.
            pub _pad: u32,
            $($(#[$address_doc])* pub $address: u64,)*
        }

        impl Offsets {
            /// Nothing resolved.
            pub const EMPTY: Self = Self {
                $($name: UNKNOWN,)*
                generation: 0,
                map_kind: MAP_UNKNOWN,
                jbe_programs: 0,
                stream_indirect: 0,
                _pad: 0,
                $($address: 0,)*
            };

            /// The fields that are addresses.
            pub const ADDRESSES: &'static [&'static str] = &[$(stringify!($address)),*];

            /// The same for a process that is loaded `bias` bytes above the addresses of the file.
            #[must_use]
            pub fn moved(&self, bias: u64) -> Self {
                let moved = |address: u64| match address {
                    0 => 0,
                    address => address.wrapping_add(bias),
                };
                Self { $($address: moved(self.$address),)* ..*self }
            }
        }
    };
}

offsets! {
    fields {
        /// `runtime.g.goid`. go-off: runtime.g.goid
        g_goid,
        /// `net/http.Request.Method`. go-off: net/http.Request.Method
        request_method,
        /// `net/http.Request.ProtoMajor`. go-off: net/http.Request.ProtoMajor
        request_proto_major,
        /// `net/http.Request.Header`. go-off: net/http.Request.Header
        request_header,
        /// `net/http.Request.Host`. go-off: net/http.Request.Host
        request_host,
        /// `net/http.Request.RemoteAddr`. go-off: net/http.Request.RemoteAddr
        request_remote_addr,
        /// `net/http.Request.RequestURI`. go-off: net/http.Request.RequestURI
        request_request_uri,
        /// `net/http.Request.Pattern`, since 1.23. go-off: net/http.Request.Pattern
        request_pattern,
        /// `net/http.response.req`. go-off: net/http.response.req
        response_req,
        /// `net/http.response.status`. go-off: net/http.response.status
        response_status,
        /// `net/http.response.written`. go-off: net/http.response.written
        response_written,
        /// `net/http.Request.TLS`. go-off: net/http.Request.TLS
        request_tls,
        /// `google.golang.org/grpc/internal/transport.Stream.method`, from the start of the server's stream.
        stream_method,
        /// `google.golang.org/grpc/internal/transport.Stream.ctx`, the same way.
        stream_ctx,
        /// `google.golang.org/grpc/internal/status.Status.s`.
        status_proto,
        /// `google.golang.org/genproto/googleapis/rpc/status.Status.Code`.
        status_code,
        /// `os.File.file`. go-off: os.File.file
        file_file,
        /// `os.file.pfd.Sysfd` from the start of `os.file`. go-off: os.file.pfd
        file_sysfd,
        /// `runtime.workType.cycles`. go-off: runtime.workType.cycles
        work_cycles,
        /// `runtime.workType.pauseNS`. go-off: runtime.workType.pauseNS
        work_pause_ns,
        /// Arguments of `startTheWorldWithSema`: 0 none, 1 (now, reason, started), 2 those and (stopping CPU, finished).
        stw_arguments,
        /// `runtime.workType.userForced`. go-off: runtime.workType.userForced
        work_user_forced,
        /// `stwprocs` and `maxprocs`, neighbours. go-off: runtime.workType.stwprocs
        work_procs,
        /// `tSweepTerm`, `tMark`, `tMarkTerm` and `tEnd`, neighbours. go-off: runtime.workType.tSweepTerm
        work_times,
        /// `heap0`, `heap1` and `heap2`, neighbours. go-off: runtime.workType.heap0
        work_heaps,
        /// `runtime.gcControllerState.lastHeapGoal`. go-off: runtime.gcControllerState.lastHeapGoal
        controller_goal,
        /// `assistTime`, `dedicatedMarkTime`, `fractionalMarkTime` and `idleMarkTime`, neighbours.
        /// go-off: runtime.gcControllerState.assistTime
        controller_mark_times,
        /// `runtime.gcControllerState.lastStackScan`, 1.19+. go-off: runtime.gcControllerState.lastStackScan 1.19..=
        controller_stack_scan,
        /// `runtime.gcControllerState.globalsScan`, 1.18+. go-off: runtime.gcControllerState.globalsScan 1.18..=
        controller_globals_scan,
        /// `runtime.mstats.gc_cpu_fraction`. go-off: runtime.mstats.gc_cpu_fraction
        memstats_cpu_fraction,
        /// `runtime.g.gopc`. go-off: runtime.g.gopc
        g_gopc,
        /// `runtime.g.stack.lo`. go-off: runtime.g.stack
        g_stack_low,
        /// `runtime.g.stack.hi`. go-off: runtime.g.stack
        g_stack_high,
        /// Number of the register that holds the new goroutine at the site of `goroutine_born`, 0 is `rax`.
        new_g_register,
        /// The same at the site of `coroutine_born`.
        new_coroutine_register,
    }
    addresses {
        /// `runtime.work`.
        work_address,
        /// What the name offsets of type descriptors count from.
        types_address,
        /// `runtime.gcController`.
        controller_address,
        /// `runtime.memstats`.
        memstats_address,
        /// `runtime.runtimeInitTime`; only a symbol table tells.
        init_time_address,
        /// `runtime.sched.gcwaiting`: the world is being stopped. Also 0 where stops are not probed.
        gc_waiting_address,
        /// `runtime.memstats.numgc`: finished GC cycles. Only set where stops are not probed.
        gc_count_address,
    }
}

impl Offsets {
    /// The same for a process whose stops of the world have records: spans look out for those, if it is
    /// known where.
    #[must_use]
    pub fn with_stops(&self) -> Self {
        let counted = match self.gc_waiting_address {
            0 => self.gc_count_address,
            _ => 0,
        };
        Self {
            gc_count_address: counted,
            ..*self
        }
    }

    /// The same for a process whose stops have no records: spans count GC cycles.
    #[must_use]
    pub fn without_stops(&self) -> Self {
        Self {
            gc_waiting_address: 0,
            ..*self
        }
    }
}

const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(size_of::<Offsets>() == 216);
    assert!(offset_of!(Offsets, work_address) == 160);
    assert!(size_of::<Offsets>().is_multiple_of(8));
};
