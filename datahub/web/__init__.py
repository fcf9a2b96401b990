"""The web application: access, the native API, file serving and pages."""
