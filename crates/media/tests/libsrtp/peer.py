"""libsrtp as pylibsrtp brings it, driven by lines: `new ID SUITE KEY MKI`, `protect|unprotect|protect_rtcp|unprotect_rtcp
ID HEX`. Each line is answered by one: hex, `ok`, or `! status` (srtp_err_status_t). The module's own Python names know
four suites and no identifier, so the functions of the library inside it are called."""
import ctypes
import sys

from pylibsrtp import _binding

lib = ctypes.CDLL(_binding.__file__)


class Crypto(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("cipher", "cipher_key", "auth", "auth_key", "tag", "services")]


class MasterKey(ctypes.Structure):
    _fields_ = [("key", ctypes.c_void_p), ("mki", ctypes.c_void_p), ("mki_size", ctypes.c_uint)]


class Policy(ctypes.Structure):
    _fields_ = [
        ("ssrc_type", ctypes.c_int),
        ("ssrc", ctypes.c_uint),
        ("rtp", Crypto),
        ("rtcp", Crypto),
        ("key", ctypes.c_void_p),
        ("keys", ctypes.POINTER(ctypes.POINTER(MasterKey))),
        ("keys_count", ctypes.c_ulong),
        ("ekt", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("repeat", ctypes.c_int),
        ("extensions", ctypes.c_void_p),
        ("extensions_count", ctypes.c_int),
        ("next", ctypes.c_void_p),
    ]


SUITES = {
    "AES_CM_128_HMAC_SHA1_80": ("rtp_default", "rtp_default"),
    "AES_CM_128_HMAC_SHA1_32": ("aes_cm_128_hmac_sha1_32", "rtp_default"),
    "AES_192_CM_HMAC_SHA1_80": ("aes_cm_192_hmac_sha1_80", "aes_cm_192_hmac_sha1_80"),
    "AES_192_CM_HMAC_SHA1_32": ("aes_cm_192_hmac_sha1_32", "aes_cm_192_hmac_sha1_80"),
    "AES_256_CM_HMAC_SHA1_80": ("aes_cm_256_hmac_sha1_80", "aes_cm_256_hmac_sha1_80"),
    "AES_256_CM_HMAC_SHA1_32": ("aes_cm_256_hmac_sha1_32", "aes_cm_256_hmac_sha1_80"),
    "AEAD_AES_128_GCM": ("aes_gcm_128_16_auth", "aes_gcm_128_16_auth"),
    "AEAD_AES_256_GCM": ("aes_gcm_256_16_auth", "aes_gcm_256_16_auth"),
}
# Any source that comes in, any that goes out: a session of libsrtp is one way.
INBOUND, OUTBOUND = 2, 3
sessions = {}


def session(direction, suite, key, mki):
    policy = Policy()
    for place, name in zip((policy.rtp, policy.rtcp), SUITES[suite]):
        getattr(lib, "srtp_crypto_policy_set_" + name)(ctypes.byref(place))
    policy.ssrc_type = direction
    policy.window = 128
    kept = ctypes.create_string_buffer(key, len(key))
    if mki:
        name = ctypes.create_string_buffer(mki, len(mki))
        master = MasterKey(ctypes.addressof(kept), ctypes.addressof(name), len(mki))
        policy.keys = (ctypes.POINTER(MasterKey) * 1)(ctypes.pointer(master))
        policy.keys_count = 1
    else:
        policy.key = ctypes.addressof(kept)
    made = ctypes.c_void_p()
    status = lib.srtp_create(ctypes.byref(made), ctypes.byref(policy))
    assert status == 0, status
    return made


def answer(words):
    if words[0] == "new":
        _, number, suite, key, mki = words
        key, mki = bytes.fromhex(key), bytes.fromhex(mki.strip("-"))
        sessions[number] = {way: session(way, suite, key, mki) for way in (INBOUND, OUTBOUND)}, bool(mki)
        return "ok"
    verb, number, packet = words
    packet = bytes.fromhex(packet)
    pair, mki = sessions[number]
    buffer = ctypes.create_string_buffer(packet, len(packet) + 200)
    length = ctypes.c_int(len(packet))
    call = getattr(lib, f"srtp_{verb}_mki")
    if verb.startswith("protect"):
        status = call(pair[OUTBOUND], buffer, ctypes.byref(length), int(mki), 0)
    else:
        status = call(pair[INBOUND], buffer, ctypes.byref(length), int(mki))
    return buffer.raw[: length.value].hex() if status == 0 else f"! {status}"


lib.srtp_init()
for line in sys.stdin:
    print(answer(line.split()), flush=True)
