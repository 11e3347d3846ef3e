"""cost.py SHARED_OBJECT: what libsrtp (with OpenSSL, as pylibsrtp brings it) takes a packet, in the form of the example
srtp_cost: suite, protect: fastest tenth (median), open: the same, in nanoseconds."""
import ctypes
import sys

from pylibsrtp import Policy, Session, _binding

lib = ctypes.CDLL(_binding.__file__)
timer = ctypes.CDLL(sys.argv[1])
timer.cost.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_int, ctypes.POINTER(ctypes.c_double)]

SUITES = {
    "AEAD_AES_256_GCM": (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44),
    "AEAD_AES_128_GCM": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
    "AES_CM_128_HMAC_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
    "AES_CM_128_HMAC_SHA1_32": (Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 30),
}


def handle(session):
    return int(_binding.ffi.cast("uintptr_t", session._srtp[0]))


for name, (profile, length) in SUITES.items():
    key = bytes([7] * length)
    out = Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile))
    inn = Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile))
    told = (ctypes.c_double * 4)()
    calls = [ctypes.cast(call, ctypes.c_void_p) for call in (lib.srtp_protect, lib.srtp_unprotect)]
    status = timer.cost(*calls, handle(out), handle(inn), 6250, told)
    assert status == 0, status
    protect, opened = (f"{told[at]:.0f} ({told[at + 1]:.0f})" for at in (0, 2))
    print(f"{name:<26}{protect:>14}{opened:>14}")
