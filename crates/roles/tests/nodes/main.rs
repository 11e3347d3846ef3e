//! Each node as its peers meet it, in virtual time.

mod call_manager;
mod far_end;
mod flows;
mod manager;
mod media_resource;
mod oauth;
mod phone;
mod security_profiles;
mod speech;
mod voice_browser;
