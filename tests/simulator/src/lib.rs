//! A stand-in for the Feishu export API.
