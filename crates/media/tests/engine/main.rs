//! The engine over a virtual wire: what one end says is what the other hears, protected as agreed and not otherwise.

mod day;
mod digits;
mod handshake;
mod hostile;
mod keep;
mod keys;
mod leases;
mod live;
mod long;
mod opus;
mod play;
mod quality;
mod relay;
mod rig;
mod rooms;
mod tap;
